//! The one order of findings, for every front end and every run.

use std::path::PathBuf;

use super::Finding;

/// Sorts findings by path, place, rule and message. `paths` are the files of the run: identifiers
/// would follow the order of listing, paths are what people see.
pub fn sort(findings: &mut [Finding], paths: &[PathBuf]) {
    let path = |finding: &Finding| paths.get(finding.primary.file.0 as usize);
    findings.sort_by(|a, b| {
        path(a)
            .cmp(&path(b))
            .then_with(|| a.primary.range.cmp(&b.primary.range))
            .then_with(|| a.rule.cmp(&b.rule))
            .then_with(|| a.state.cmp(&b.state))
            .then_with(|| a.message.cmp(&b.message))
    });
}
