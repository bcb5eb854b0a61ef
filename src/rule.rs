//! Rules: pages that document them and predicates that check them.

use crate::findings::Finding;
use crate::program::Program;

/// The check behind one page of `rules/`.
pub trait Rule: Sync {
    /// Looks for the defect and hands every finding to `report`.
    fn check(&self, program: &Program, report: &mut Reporter<'_>);
}

/// Takes what rules find. Severities and names are filled in from the rule's page.
pub struct Reporter<'a> {
    /// Name of the rule that runs.
    pub rule: &'static str,
    /// Everything found so far.
    pub findings: &'a mut Vec<Finding>,
}
