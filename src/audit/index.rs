//! Files of a package index that was saved before: no network here.
//!
//! Read are project pages of the simple API in JSON (PEP 691: `{"name", "files": [{"filename"}]}`),
//! of PyPI's own API (`{"info": {"name"}, "releases": {"1.0": [{"filename"}]}}`), and arrays of
//! either.

use std::str::FromStr;

use pep440_rs::Version;
use rustc_hash::FxHashMap;
use serde_json::Value;

use super::tag::{WheelName, normal_name};

/// The files an index has, by normal form of the distribution's name.
#[derive(Debug, Clone, Default)]
pub struct Index {
    files: FxHashMap<String, Vec<IndexFile>>,
}

/// A file of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexFile {
    /// Version it belongs to.
    pub version: String,
    /// Its name.
    pub name: String,
}

impl Index {
    /// Adds what `text` says.
    ///
    /// # Errors
    /// When it is not JSON, or of neither form.
    pub fn add(&mut self, text: &str) -> Result<(), String> {
        let value: Value =
            serde_json::from_str(text).map_err(|error| format!("not valid JSON: {error}"))?;
        match value {
            Value::Array(pages) => pages.iter().try_for_each(|page| self.add_page(page)),
            page => self.add_page(&page),
        }
    }

    fn add_page(&mut self, page: &Value) -> Result<(), String> {
        let name = page
            .get("name")
            .or_else(|| page.pointer("/info/name"))
            .and_then(Value::as_str)
            .ok_or(
                "neither a simple-API page (`name`, `files`) nor a PyPI one (`info`, `releases`)",
            )?;
        let files = self.files.entry(normal_name(name)).or_default();
        let yanked = |file: &Value| {
            !matches!(
                file.get("yanked"),
                None | Some(Value::Bool(false) | Value::Null)
            )
        };
        let filename = |file: &Value| {
            file.get("filename")
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        for file in page
            .get("files")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            if let Some(name) = filename(file)
                && !yanked(file)
                && let Some(version) = version_of(&name)
            {
                files.push(IndexFile { version, name });
            }
        }
        for (version, list) in page
            .get("releases")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            for file in list.as_array().into_iter().flatten() {
                if let Some(name) = filename(file)
                    && !yanked(file)
                {
                    files.push(IndexFile {
                        version: version.clone(),
                        name,
                    });
                }
            }
        }
        Ok(())
    }

    /// The files of `distribution`.
    pub fn files(&self, distribution: &str) -> &[IndexFile] {
        self.files.get(distribution).map_or(&[], Vec::as_slice)
    }
}

fn version_of(file: &str) -> Option<String> {
    if let Ok(wheel) = file.parse::<WheelName>() {
        return Some(wheel.version);
    }
    let stem = file
        .strip_suffix(".tar.gz")
        .or_else(|| file.strip_suffix(".zip"))?;
    stem.rsplit_once('-').map(|(_, version)| version.to_owned())
}

/// Whether version `left` is newer than `right`; pre-releases are not offered.
pub fn is_newer(left: &str, right: &str) -> bool {
    match (Version::from_str(left), Version::from_str(right)) {
        (Ok(left), Ok(right)) => left > right && !left.any_prerelease(),
        _ => false,
    }
}

/// Whether two spellings name one version.
pub fn same_version(left: &str, right: &str) -> bool {
    left == right
        || matches!((Version::from_str(left), Version::from_str(right)), (Ok(a), Ok(b)) if a == b)
}
