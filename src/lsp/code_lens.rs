//! Above a function: the threads that reach it. Off unless the user switches it on.

use lsp_server::ResponseError;
use lsp_types::{CodeLens, CodeLensParams, Command};

use super::convert;
use super::requests::View;
use crate::program::explain::roots_reaching;
use crate::rule::root_words;

/// More roots than this are counted.
const MAX_NAMED: usize = 3;

/// Answers `textDocument/codeLens`.
pub(super) fn answer(
    view: &View,
    params: CodeLensParams,
) -> Result<Option<Vec<CodeLens>>, ResponseError> {
    if !view.extras.code_lens {
        return Ok(None);
    }
    let Some(document) = view.document(&params.text_document.uri) else {
        return Ok(None);
    };
    let Some(program) = document.analysis.program() else {
        return Ok(None);
    };
    let mut lenses = Vec::new();
    for (range, roots) in roots_reaching(program, document.file) {
        let mut words: Vec<String> = roots
            .iter()
            .map(|&root| root_words(program, &program.roots()[root as usize]))
            .collect();
        words.sort();
        words.dedup();
        if words.is_empty() {
            continue;
        }
        let rest = words.len().saturating_sub(MAX_NAMED);
        words.truncate(MAX_NAMED);
        let mut title = format!("reached by {}", words.join(", "));
        if rest > 0 {
            title.push_str(&format!(" and {rest} more"));
        }
        lenses.push(CodeLens {
            range: convert::range(&document.text, range, view.features.units),
            // A lens that only says something has no command behind it.
            command: Some(Command {
                title,
                command: String::new(),
                arguments: None,
            }),
            data: None,
        });
    }
    Ok(Some(lenses))
}
