//! How a locked package reaches the target: by which of its files.

use super::index::{Index, is_newer, same_version};
use super::lockfile::{Lock, Origin, Package};
use super::outcome::{Standing, Supply};
use super::tag::{Fit, Platform, WheelName};
use super::target::Target;

/// What the files of a package come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Supplied {
    /// By which file.
    pub supply: Supply,
    /// What that means for readiness.
    pub standing: Standing,
    /// Why, in a clause.
    pub reason: String,
    /// A newer version that has a wheel for the target.
    pub newer: Option<String>,
}

/// Judges `package` of `lock` for `target` on `platform`.
pub fn supplied(
    package: &Package,
    lock: &Lock,
    index: &Index,
    target: Target,
    platform: Platform,
) -> Supplied {
    let mut wheels: Vec<String> = package.wheels.clone();
    let mut sdist = package.sdist;
    let mut listed = package.lists_files;
    if !listed && !package.version.is_empty() {
        for file in index.files(&package.name) {
            if same_version(&file.version, &package.version) {
                listed = true;
                sdist |= !file.name.ends_with(".whl");
                wheels.push(file.name.clone());
            }
        }
    }
    let names: Vec<WheelName> = wheels.iter().filter_map(|name| name.parse().ok()).collect();
    let best = names.iter().map(|name| name.fit(target, &platform)).max();
    let (supply, standing, reason) = match best {
        Some(Fit::FreeThreaded) => (
            Supply::FreeThreadedWheel,
            Standing::Unproven,
            format!(
                "a {} wheel, which is no proof that it keeps the GIL off",
                target.abi_tag()
            ),
        ),
        Some(Fit::StableFreeThreaded) => (
            Supply::Abi3tWheel,
            Standing::Unproven,
            "an abi3t wheel, which is no proof that it keeps the GIL off".to_owned(),
        ),
        Some(Fit::Pure) => (Supply::Pure, Standing::Ready, "pure Python".to_owned()),
        Some(Fit::Native) => (
            Supply::NativeWheel,
            Standing::Ready,
            "compiled, but not against an interpreter".to_owned(),
        ),
        _ if package.origin == Origin::Source => (
            Supply::SdistOnly,
            Standing::Unproven,
            "built from a source tree at install time".to_owned(),
        ),
        _ if names.iter().any(|name| name.is_native()) => {
            let gil_only = names
                .iter()
                .any(|name| matches!(name.fit(target, &platform), Fit::Gil | Fit::OtherPython));
            match (gil_only, sdist) {
                (true, true) => (
                    Supply::GilOnly,
                    Standing::Blocked,
                    format!(
                        "wheels for builds with a GIL only; {target} would build it from source"
                    ),
                ),
                (true, false) => (
                    Supply::GilOnly,
                    Standing::Blocked,
                    format!(
                        "wheels for builds with a GIL only and no source: {target} cannot install it"
                    ),
                ),
                (false, true) => (
                    Supply::SdistOnly,
                    Standing::Unproven,
                    format!("no wheel for {platform}; built from source at install time"),
                ),
                (false, false) => (
                    Supply::OtherPlatform,
                    Standing::Blocked,
                    format!("no file for {platform}"),
                ),
            }
        }
        _ if sdist => (
            Supply::SdistOnly,
            Standing::Unproven,
            "a source distribution only, built at install time".to_owned(),
        ),
        Some(_) => (
            Supply::OtherPlatform,
            Standing::Blocked,
            format!("its wheels are for other Python versions than {target}"),
        ),
        None if listed => (
            Supply::Unknown,
            Standing::Unproven,
            "the lock names no file of it".to_owned(),
        ),
        None => (
            Supply::Unknown,
            Standing::Unproven,
            "this format names no files; give --index-metadata, or audit an environment".to_owned(),
        ),
    };
    let newer = matches!(
        supply,
        Supply::GilOnly | Supply::SdistOnly | Supply::OtherPlatform
    )
    .then(|| newer_wheel(package, lock, index, target, platform))
    .flatten();
    Supplied {
        supply,
        standing,
        reason,
        newer,
    }
}

/// The oldest newer version with a wheel for the target, in the same lock or the index.
fn newer_wheel(
    package: &Package,
    lock: &Lock,
    index: &Index,
    target: Target,
    platform: Platform,
) -> Option<String> {
    let fits = |name: &str| {
        name.parse::<WheelName>()
            .is_ok_and(|name| name.fit(target, &platform) >= Fit::Native)
    };
    let locked = lock
        .packages
        .iter()
        .filter(|it| it.name == package.name && it.wheels.iter().any(|name| fits(name)))
        .map(|it| it.version.as_str());
    let indexed = index
        .files(&package.name)
        .iter()
        .filter(|file| fits(&file.name))
        .map(|file| file.version.as_str());
    let mut oldest: Option<&str> = None;
    for version in locked.chain(indexed) {
        if is_newer(version, &package.version) && oldest.is_none_or(|it| is_newer(it, version)) {
            oldest = Some(version);
        }
    }
    oldest.map(str::to_owned)
}
