//! From one side of a race to the other.

use lsp_server::ResponseError;
use lsp_types::Location;
use lsp_types::request::{GotoDeclarationParams, GotoDeclarationResponse};

use super::convert;
use super::requests::{Document, View, touches};
use crate::findings::Finding;
use crate::source::span::{Range, Site};

/// Answers `textDocument/declaration` on a side of a race: where the other sides are. Elsewhere
/// there is no answer, so that the language's own server is heard.
pub(super) fn declaration(
    view: &View,
    params: GotoDeclarationParams,
) -> Result<Option<GotoDeclarationResponse>, ResponseError> {
    let at = params.text_document_position_params;
    let Some(document) = view.document(&at.text_document.uri) else {
        return Ok(None);
    };
    let here = document.range(
        lsp_types::Range::new(at.position, at.position),
        &view.features,
    );
    let mut locations: Vec<Location> = Vec::new();
    for finding in &document.analysis.outcome.findings {
        for site in others(finding, &document, here) {
            if let Some(location) = location(view, &document, site)
                && !locations.contains(&location)
            {
                locations.push(location);
            }
        }
    }
    Ok((!locations.is_empty()).then_some(GotoDeclarationResponse::Array(locations)))
}

/// The sites of a finding except those at `here`; none when none of them is.
pub(super) fn others(finding: &Finding, document: &Document<'_>, here: Range) -> Vec<Site> {
    let sites: Vec<Site> = std::iter::once(finding.primary)
        .chain(finding.related.iter().map(|it| it.site))
        .collect();
    let is_here = |site: &Site| site.file == document.file && touches(site.range, here);
    if !sites.iter().any(is_here) {
        return Vec::new();
    }
    sites.into_iter().filter(|it| !is_here(it)).collect()
}

/// A site as the client names it.
pub(super) fn location(view: &View, document: &Document<'_>, site: Site) -> Option<Location> {
    let analysis = document.analysis;
    let path = analysis.root.join(analysis.sources.path(site.file));
    let text = analysis.sources.text(site.file);
    Some(Location {
        uri: view.uri(&path)?,
        range: convert::range(&text, site.range, view.features.units),
    })
}
