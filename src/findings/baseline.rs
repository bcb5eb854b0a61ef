//! Findings that were accepted: a file of fingerprints, kept beside the code.

use std::path::PathBuf;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::Finding;
use super::outcome::Problem;
use crate::source::text::Sources;

/// Version of the file; another one is refused.
const VERSION: u32 = 1;

/// The accepted findings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    version: u32,
    findings: Vec<Entry>,
}

/// One accepted finding. The fingerprint alone decides; the rest tells people what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    fingerprint: String,
    rule: String,
    path: String,
    function: String,
    state: String,
}

impl Baseline {
    /// Accepts all of `findings`.
    pub fn of(findings: &[Finding], sources: &Sources) -> Self {
        let entry = |finding: &Finding| Entry {
            fingerprint: finding.fingerprint.clone(),
            rule: finding.rule.clone(),
            path: sources
                .path(finding.primary.file)
                .to_string_lossy()
                .replace(std::path::MAIN_SEPARATOR, "/"),
            function: finding.function.clone(),
            state: finding.state.clone(),
        };
        Self {
            version: VERSION,
            findings: findings.iter().map(entry).collect(),
        }
    }

    /// Reads a baseline.
    ///
    /// # Errors
    /// The text is not a baseline of this version: what is wrong, with its line.
    pub fn read(text: &str) -> Result<Self, String> {
        let baseline: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if baseline.version != VERSION {
            return Err(format!(
                "has version {}, this raceproof reads version {VERSION}; write it again with `raceproof baseline`",
                baseline.version
            ));
        }
        Ok(baseline)
    }

    /// The text that [`Self::read`] reads.
    pub fn write(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// How many findings it accepts.
    pub fn len(&self) -> usize {
        self.findings.len()
    }

    /// It accepts none.
    pub fn is_empty(&self) -> bool {
        self.findings.is_empty()
    }

    /// Takes accepted findings out of `findings` and returns how many. Entries that match none of
    /// them, in a file for which `analysed` holds, are stale and go to `notices`.
    pub fn apply(
        &self,
        findings: &mut Vec<Finding>,
        analysed: impl Fn(&str) -> bool,
        notices: &mut Vec<Problem>,
    ) -> usize {
        let mut used: FxHashMap<&str, bool> = self
            .findings
            .iter()
            .map(|entry| (entry.fingerprint.as_str(), false))
            .collect();
        let before = findings.len();
        findings.retain(|finding| match used.get_mut(finding.fingerprint.as_str()) {
            Some(used) => {
                *used = true;
                false
            }
            None => true,
        });
        for entry in &self.findings {
            if used.get(entry.fingerprint.as_str()) == Some(&false) && analysed(&entry.path) {
                notices.push(Problem {
                    path: PathBuf::from(&entry.path),
                    position: None,
                    message: format!(
                        "the baseline accepts a `{}` on `{}` that is no longer found; write the baseline again with `raceproof baseline`",
                        entry.rule, entry.state
                    ),
                    ignore: None,
                });
            }
        }
        before - findings.len()
    }
}
