//! The identity of a finding across edits elsewhere.
//!
//! It is made of the rule, the file, the function, the state, and the text of the line without its
//! white space; among findings that agree in all of these, of their order. Inserting or removing
//! lines, and indenting the code, leaves it alone.

use xxhash_rust::xxh3::xxh3_64;

use rustc_hash::FxHashMap;

use super::Finding;
use crate::source::text::Sources;

/// Fills in the fingerprint of every finding; they must be sorted.
pub fn fill(findings: &mut [Finding], sources: &Sources) {
    let mut occurrences: FxHashMap<u64, u32> = FxHashMap::default();
    for finding in findings {
        let text = sources.text(finding.primary.file);
        let line = text.line(text.position(finding.primary.range.start).line);
        let mut key = Vec::with_capacity(128);
        let path = sources.path(finding.primary.file).to_string_lossy();
        // The separator of this machine must not change the identity.
        let path = path.replace(std::path::MAIN_SEPARATOR, "/");
        for part in [
            finding.rule.as_str(),
            &path,
            &finding.function,
            &finding.state,
        ] {
            key.extend_from_slice(part.as_bytes());
            key.push(0);
        }
        for word in line.split_whitespace() {
            key.extend_from_slice(word.as_bytes());
            key.push(b' ');
        }
        let occurrence = occurrences.entry(xxh3_64(&key)).or_default();
        key.extend_from_slice(&occurrence.to_le_bytes());
        *occurrence += 1;
        finding.fingerprint = format!("{:016x}", xxh3_64(&key));
    }
}
