//! Writes down an inferred guard as `# guarded-by: self._lock`, which is then checked strictly.

use ruff_text_size::Ranged;

use super::context::{Context, insert};
use super::{Proposal, Safety, hold_guard, lock};

pub(super) fn fix(context: &Context<'_>) -> Option<Proposal> {
    if !context.rule_is(&["inconsistent-lock"]) {
        return None;
    }
    let guard = hold_guard::guard(context)?;
    let attribute = context.finding.state.rsplit('.').next()?;
    let (definition, guard) = match context.class() {
        Some(class) => {
            let (function, receiver) = lock::initialiser(class)?;
            let name = format!("{receiver}.{attribute}");
            let (definition, _) = lock::definition(&function.body, &name)?;
            let lock = guard.rsplit('.').next()?;
            (definition, format!("{receiver}.{lock}"))
        }
        None => (lock::definition(context.module_body(), attribute)?.0, guard),
    };
    if !context.stands_alone(definition) || context.trailing_comment(definition.end()).is_some() {
        return None;
    }
    Some(Proposal::new(
        format!("Declare that `{guard}` guards `{attribute}`"),
        Safety::Manual,
        vec![insert(definition.end(), format!("  # guarded-by: {guard}"))],
    ))
}
