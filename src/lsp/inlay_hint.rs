//! Behind the definition of an attribute or global: the lock that its accesses hold. Off unless
//! the user switches it on.

use lsp_server::ResponseError;
use lsp_types::{InlayHint, InlayHintKind, InlayHintLabel, InlayHintParams};

use super::convert;
use super::requests::{View, touches};
use crate::program::explain::guards;
use crate::source::span::Range;

/// Answers `textDocument/inlayHint`.
pub(super) fn answer(
    view: &View,
    params: InlayHintParams,
) -> Result<Option<Vec<InlayHint>>, ResponseError> {
    if !view.extras.inlay_hints {
        return Ok(None);
    }
    let Some(document) = view.document(&params.text_document.uri) else {
        return Ok(None);
    };
    let Some(program) = document.analysis.program() else {
        return Ok(None);
    };
    let wanted = document.range(params.range, &view.features);
    let hints = guards(program, document.file)
        .into_iter()
        .filter(|it| touches(it.range, wanted))
        .map(|it| {
            let label = if it.held == it.accesses {
                format!("guarded by {}", it.lock)
            } else {
                format!("guarded by {} ({} of {})", it.lock, it.held, it.accesses)
            };
            let end = Range {
                start: it.range.end,
                end: it.range.end,
            };
            InlayHint {
                position: convert::range(&document.text, end, view.features.units).end,
                label: InlayHintLabel::String(label),
                kind: Some(InlayHintKind::TYPE),
                text_edits: None,
                tooltip: None,
                padding_left: Some(true),
                padding_right: Some(true),
                data: None,
            }
        })
        .collect();
    Ok(Some(hints))
}
