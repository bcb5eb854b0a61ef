//! What a file under edit keeps of its last state without syntax errors.
//!
//! While someone types, a file is broken most of the time, and the parser's recovery loses what
//! stands around the error. So a broken file is analysed as it last was, and what is found moves
//! with the text: places before and behind the edited part keep their text, places in it become
//! the whole of it.

use std::sync::Arc;

use crate::facts::ModuleFacts;
use crate::findings::Finding;
use crate::source::span::Range;

/// The last state of a file that parsed.
#[derive(Debug, Clone)]
pub(super) struct LastGood {
    /// Its facts.
    pub facts: Arc<ModuleFacts>,
    /// Its text, which their ranges index into.
    pub text: Arc<str>,
}

/// How ranges of one text lie in another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shift {
    /// Both texts begin with this many equal bytes.
    prefix: u32,
    /// Where the equal end begins in the old text.
    old_suffix: u32,
    /// Where it begins in the new one.
    new_suffix: u32,
}

impl Shift {
    /// From `old` to `new`, taking everything between the common beginning and the common end for
    /// changed.
    pub fn between(old: &str, new: &str) -> Self {
        let (old_bytes, new_bytes) = (old.as_bytes(), new.as_bytes());
        let shorter = old_bytes.len().min(new_bytes.len());
        let mut prefix = (0..shorter)
            .find(|&index| old_bytes[index] != new_bytes[index])
            .unwrap_or(shorter);
        while !old.is_char_boundary(prefix) {
            prefix -= 1;
        }
        let rest = shorter - prefix;
        let mut suffix = (0..rest)
            .find(|&index| {
                old_bytes[old_bytes.len() - 1 - index] != new_bytes[new_bytes.len() - 1 - index]
            })
            .unwrap_or(rest);
        while !old.is_char_boundary(old.len() - suffix) {
            suffix -= 1;
        }
        // The parser refuses texts that do not fit into 32 bits.
        let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Self {
            prefix: offset(prefix),
            old_suffix: offset(old.len() - suffix),
            new_suffix: offset(new.len() - suffix),
        }
    }

    /// The range in the new text. What was inserted right before or behind it stays outside.
    pub fn range(self, range: Range) -> Range {
        let moved = |offset: u32| offset - self.old_suffix + self.new_suffix;
        let start = if range.start >= self.old_suffix {
            moved(range.start)
        } else {
            range.start.min(self.prefix)
        };
        let end = if range.end <= self.prefix {
            range.end
        } else if range.end >= self.old_suffix {
            moved(range.end)
        } else {
            self.new_suffix
        };
        Range {
            start,
            end: end.max(start),
        }
    }
}

/// Moves the places of a finding that lie in shifted files.
pub(super) fn shift(
    finding: &mut Finding,
    of: impl Fn(crate::source::span::FileId) -> Option<Shift>,
) {
    let sites = std::iter::once(&mut finding.primary)
        .chain(finding.related.iter_mut().map(|it| &mut it.site))
        .chain(finding.roots.iter_mut().filter_map(|it| it.spawn.as_mut()));
    for site in sites {
        if let Some(shift) = of(site.file) {
            site.range = shift.range(site.range);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// A range whose text was not touched has the same text afterwards, and no range leaves
        /// the text or cuts a character.
        #[test]
        fn untouched_ranges_keep_their_text(
            before in "[abé😀\n]{0,12}", removed in "[abé😀\n]{0,6}", after in "[abé😀\n]{0,12}",
            added in "[abé😀\n]{0,6}",
        ) {
            let old = format!("{before}{removed}{after}");
            let new = format!("{before}{added}{after}");
            let shift = Shift::between(&old, &new);
            // Where the texts repeat, more than what was kept may count as kept, but not less.
            let kept = old.len() - (shift.old_suffix - shift.prefix) as usize;
            prop_assert!(kept >= before.len() + after.len());
            let boundaries: Vec<u32> = (0..=old.len())
                .filter(|&it| old.is_char_boundary(it))
                .map(|it| u32::try_from(it).unwrap())
                .collect();
            for &start in &boundaries {
                for &end in boundaries.iter().filter(|&&it| it >= start) {
                    let moved = shift.range(Range { start, end });
                    let text = new.get(moved.start as usize..moved.end as usize);
                    prop_assert!(text.is_some(), "{moved:?} of {new:?}");
                    if end <= shift.prefix || start >= shift.old_suffix {
                        prop_assert_eq!(text.unwrap(), &old[start as usize..end as usize]);
                    }
                }
            }
        }
    }
}
