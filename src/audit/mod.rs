//! Will the dependencies of a project keep the GIL off, and is it ready for a free-threaded build?
//!
//! `lockfile/` reads what will be installed, `environment.rs` and `wheel.rs` what is there;
//! `verdict.rs` judges extension modules from what `binary/` reads in them. Nothing of the user's
//! is executed, except by `run.rs`, which imports modules when asked to. `readiness.rs` draws the
//! conclusion, `advice.rs` says what to do, `report/` writes it down.

pub mod advice;
pub mod binary;
pub mod environment;
pub mod index;
pub mod lockfile;
pub mod marker;
pub mod outcome;
pub mod readiness;
pub mod report;
pub mod run;
pub mod subject;
pub mod supply;
pub mod tag;
pub mod target;
mod text_file;
mod unpack;
pub mod verdict;
pub mod wheel;

use std::path::{Path, PathBuf};
use std::time::Duration;

use environment::{Contents, Environment};
use index::Index;
use lockfile::Origin;
use marker::MarkerEnvironment;
use outcome::{Audit, Code, Distribution, Module, Problem, Standing, Supply};
use rayon::prelude::*;
use rustc_hash::FxHashMap;
use subject::Subject;
use supply::{Supplied, supplied};
use tag::Platform;
use target::Target;
use text_file::read_text;

const NOTHING_HERE: &str = "no dependencies to audit: no lock file (uv.lock, pylock.toml, \
    poetry.lock, pdm.lock, requirements*.txt, Pipfile.lock) and no environment (.venv, venv, \
    $VIRTUAL_ENV)";

/// What to audit, and how.
#[derive(Debug, Clone)]
pub struct Request {
    /// Lock files, environments, wheels, modules, projects.
    pub paths: Vec<PathBuf>,
    /// The build asked about.
    pub target: Target,
    /// Platforms whose wheels count in lock files.
    pub platforms: Vec<Platform>,
    /// Dependency groups to include besides the project's own dependencies.
    pub groups: Vec<String>,
    /// Extras to include.
    pub extras: Vec<String>,
    /// Include every group and extra.
    pub all_groups: bool,
    /// Saved pages of a package index.
    pub index_metadata: Vec<PathBuf>,
    /// Import every module; executes code of the audited packages.
    pub run: Option<Run>,
}

/// How to import modules.
#[derive(Debug, Clone)]
pub struct Run {
    /// The interpreter asked for.
    pub python: Option<PathBuf>,
    /// How long one import may take.
    pub timeout: Duration,
}

/// Performs an audit. What cannot be read is in [`Audit::problems`]; the audit goes on without it.
/// `code` is what the analysis of the project's own code found, if one was made, and `problems`
/// what it could not read.
pub fn audit(request: &Request, code: Option<Code>, problems: Vec<Problem>) -> Audit {
    let mut gathered = Gathered {
        problems,
        ..Gathered::default()
    };
    let mut index = Index::default();
    for path in &request.index_metadata {
        let read = read_text(path, lockfile::MAX_SIZE).map_err(|error| error.to_string());
        if let Err(message) = read.and_then(|text| index.add(&text)) {
            gathered.problems.push(Problem {
                path: path.display().to_string(),
                message,
                fatal: true,
            });
        }
    }
    for path in &request.paths {
        let (subjects, problems) = subject::subjects(path);
        if subjects.is_empty() && problems.is_empty() {
            gathered.problems.push(Problem {
                path: path.display().to_string(),
                message: NOTHING_HERE.to_owned(),
                // A project may have code and no dependencies.
                fatal: code.is_none(),
            });
        }
        gathered.problems.extend(problems);
        for subject in subjects {
            gathered.take(subject, request);
        }
    }

    let mut run_with = None;
    if let Some(run) = &request.run {
        match run::find_interpreter(
            run.python.as_deref(),
            &gathered.environments,
            request.target,
        ) {
            Ok(interpreter) => {
                let problems = run::observe(
                    &mut gathered.modules,
                    &gathered.wheels,
                    &gathered.sites,
                    &interpreter,
                    run.timeout,
                );
                gathered.problems.extend(problems);
                run_with = Some(interpreter.path.display().to_string());
            }
            Err(message) => gathered.problems.push(Problem {
                path: "--run".to_owned(),
                message,
                fatal: true,
            }),
        }
    }
    gathered.conclude(request, &index, run_with, code)
}

/// What was found so far.
#[derive(Default)]
struct Gathered {
    sources: Vec<String>,
    environments: Vec<PathBuf>,
    /// Site-packages folders.
    sites: Vec<PathBuf>,
    wheels: Vec<PathBuf>,
    modules: Vec<Module>,
    installed: Vec<(String, environment::Installed)>,
    locks: Vec<(String, lockfile::Lock)>,
    libraries: usize,
    problems: Vec<Problem>,
}

impl Gathered {
    fn take(&mut self, subject: Subject, request: &Request) {
        let source = subject.path().display().to_string();
        if self.sources.contains(&source) {
            return;
        }
        self.sources.push(source.clone());
        match subject {
            Subject::Lock(path, format) => self.take_lock(&path, format, &source),
            Subject::Environment(environment) => {
                self.note_other_interpreter(&environment, request.target);
                self.environments.push(environment.root.clone());
                let contents: Vec<Contents> = environment
                    .sites
                    .par_iter()
                    .map(|site| environment::read_site(site, request.target))
                    .collect();
                for contents in contents {
                    self.take_contents(contents, &source);
                }
                self.sites.extend(environment.sites);
            }
            Subject::Wheel(path) => {
                self.take_contents(wheel::read_wheel(&path, request.target), &source);
                self.wheels.push(path);
            }
            Subject::Module(path) => {
                self.take_contents(environment::read_single(&path, request.target), &source);
            }
        }
    }

    fn take_lock(&mut self, path: &Path, format: lockfile::Format, source: &str) {
        let text = match read_text(path, lockfile::MAX_SIZE) {
            Ok(text) => text,
            Err(error) => {
                self.problems.push(environment::unreadable(path, &error));
                return;
            }
        };
        let folder = path.parent().unwrap_or(Path::new(""));
        let include = |relative: &str| {
            read_text(&folder.join(relative), lockfile::MAX_SIZE).map_err(|error| error.to_string())
        };
        let mut lock = lockfile::read(format, &text, &include);
        for (line, message, fatal) in std::mem::take(&mut lock.problems) {
            self.problems.push(Problem {
                path: match line {
                    0 => source.to_owned(),
                    line => format!("{source}:{line}"),
                },
                message,
                fatal,
            });
        }
        self.locks.push((source.to_owned(), lock));
    }

    fn note_other_interpreter(&mut self, environment: &Environment, target: Target) {
        if let Some(version) = &environment.version
            && *version != target.to_string()
        {
            self.problems.push(Problem {
                path: environment.root.display().to_string(),
                message: format!(
                    "an environment for Python {version}, not {target}: its extension modules \
                     are other files than {target} would install; audit the lock file, or an \
                     environment made with python{target}"
                ),
                fatal: false,
            });
        }
    }

    fn take_contents(&mut self, contents: Contents, source: &str) {
        self.modules
            .extend(contents.modules.into_iter().map(|module| Module {
                source: source.to_owned(),
                ..module
            }));
        self.installed.extend(
            contents
                .distributions
                .into_iter()
                .map(|it| (source.to_owned(), it)),
        );
        self.libraries += contents.libraries;
        self.problems.extend(contents.problems);
    }

    fn conclude(
        mut self,
        request: &Request,
        index: &Index,
        run_with: Option<String>,
        code: Option<Code>,
    ) -> Audit {
        let mut distributions = Vec::new();
        let mut owned: FxHashMap<_, Vec<&Module>> = FxHashMap::default();
        for module in &self.modules {
            let owner = (&module.source, &module.distribution, &module.version);
            owned.entry(owner).or_default().push(module);
        }
        for (source, installed) in &self.installed {
            let own = owned.get(&(source, &installed.name, &installed.version));
            let own = own.map_or(&[][..], Vec::as_slice);
            distributions.push(installed_distribution(
                source, installed, own, index, request,
            ));
        }
        for (source, lock) in &self.locks {
            distributions.extend(locked_distributions(
                source,
                lock,
                index,
                request,
                &mut self.problems,
            ));
        }
        settle_locked(&mut distributions);
        self.modules.sort_by(|a, b| {
            (readiness::standing_of(b), b.verdict)
                .cmp(&(readiness::standing_of(a), a.verdict))
                .then_with(|| {
                    (&a.distribution, &a.module, &a.path).cmp(&(
                        &b.distribution,
                        &b.module,
                        &b.path,
                    ))
                })
        });
        distributions.sort_by(|a, b| {
            (b.standing, b.supply)
                .cmp(&(a.standing, a.supply))
                .then_with(|| {
                    (&a.name, &a.version, &a.source).cmp(&(&b.name, &b.version, &b.source))
                })
        });
        let summary = readiness::summary(
            &self.modules,
            &distributions,
            code.as_ref(),
            &self.problems,
            self.libraries,
        );
        Audit {
            target: request.target,
            platforms: request.platforms.clone(),
            sources: self.sources,
            run_with,
            modules: self.modules,
            distributions,
            code,
            problems: self.problems,
            summary,
        }
    }
}

fn installed_distribution(
    source: &str,
    installed: &environment::Installed,
    own: &[&Module],
    index: &Index,
    request: &Request,
) -> Distribution {
    let worst = own
        .iter()
        .copied()
        .max_by_key(|module| (readiness::standing_of(module), module.verdict));
    let standing = worst.map_or(Standing::Ready, readiness::standing_of);
    let (supply, reason) = match worst {
        None if installed.editable.is_some() => (
            Supply::Pure,
            "installed in development mode, nothing compiled".to_owned(),
        ),
        None => (
            Supply::Pure,
            "nothing compiled against an interpreter".to_owned(),
        ),
        Some(module) => (
            Supply::Installed,
            match standing {
                Standing::Ready => format!(
                    "its {} declare{} that {} the GIL",
                    counted(own.len(), "extension module"),
                    if own.len() == 1 { "s" } else { "" },
                    if own.len() == 1 {
                        "it does not need"
                    } else {
                        "they do not need"
                    },
                ),
                _ => format!("{}: {}", module.module, module.why()),
            },
        ),
    };
    let newer = index
        .files(&installed.name)
        .iter()
        .filter(|file| {
            index::is_newer(&file.version, &installed.version)
                && file.name.parse::<tag::WheelName>().is_ok_and(|name| {
                    request.platforms.iter().any(|platform| {
                        name.fit(request.target, platform) >= tag::Fit::StableFreeThreaded
                    })
                })
        })
        .map(|file| file.version.as_str())
        .reduce(|a, b| if index::is_newer(a, b) { b } else { a });
    Distribution {
        name: installed.name.clone(),
        version: installed.version.clone(),
        source: source.to_owned(),
        supply,
        standing,
        reason,
        advice: if standing == Standing::Ready {
            String::new()
        } else {
            advice::for_installed(own, newer, &installed.name, request.target)
        },
        required_by: Vec::new(),
        classifier: installed.classifier.clone(),
        modules: own.len(),
    }
}

/// A wheel for the target that is locked, and installed in the same version in an environment that
/// is audited too, is as good as its modules there.
fn settle_locked(distributions: &mut [Distribution]) {
    let mut installed: FxHashMap<String, Vec<Distribution>> = FxHashMap::default();
    for distribution in distributions.iter() {
        if distribution.supply == Supply::Installed {
            let twins = installed.entry(distribution.name.clone()).or_default();
            twins.push(distribution.clone());
        }
    }
    for locked in distributions {
        if !matches!(
            locked.supply,
            Supply::FreeThreadedWheel | Supply::Abi3tWheel
        ) {
            continue;
        }
        let twin = installed.get(&locked.name).and_then(|twins| {
            let same = |it: &&Distribution| index::same_version(&it.version, &locked.version);
            twins.iter().find(same)
        });
        if let Some(twin) = twin {
            locked.standing = twin.standing;
            locked.reason = format!("as installed in {}: {}", twin.source, twin.reason);
            locked.advice.clone_from(&twin.advice);
        }
    }
}

/// `1 module`, `2 modules`.
fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// The packages of a lock that some platform needs; the worst of the platforms counts.
fn locked_distributions(
    source: &str,
    lock: &lockfile::Lock,
    index: &Index,
    request: &Request,
    problems: &mut Vec<Problem>,
) -> Vec<Distribution> {
    let mut found: Vec<Option<(Supplied, Vec<String>)>> = vec![None; lock.packages.len()];
    let mut unread = Vec::new();
    for &platform in &request.platforms {
        let environment = MarkerEnvironment {
            target: request.target,
            platform,
            extras: &request.extras,
            groups: &request.groups,
            all: request.all_groups,
        };
        let (needed, unread_here) = lockfile::needed::needed(lock, &environment);
        unread.extend(unread_here);
        for needed in needed {
            let package = &lock.packages[needed.index];
            let supplied = supplied(package, lock, index, request.target, platform);
            let slot = &mut found[needed.index];
            let worse = slot.as_ref().is_none_or(|(known, _)| {
                (supplied.standing, supplied.supply) > (known.standing, known.supply)
            });
            if worse {
                *slot = Some((supplied, needed.path));
            }
        }
    }
    unread.sort();
    unread.dedup();
    for marker in unread {
        problems.push(Problem {
            path: source.to_owned(),
            message: format!("a marker that cannot be read counts as true: {marker}"),
            fatal: false,
        });
    }
    let mut distributions = Vec::new();
    for (package, found) in lock.packages.iter().zip(found) {
        let Some((supplied, path)) = found else {
            continue;
        };
        if package.origin == Origin::Project {
            continue;
        }
        distributions.push(Distribution {
            name: package.name.clone(),
            version: package.version.clone(),
            source: format!("{source}:{}", package.line),
            supply: supplied.supply,
            standing: supplied.standing,
            advice: advice::for_locked(&package.name, &supplied, request.target),
            reason: supplied.reason,
            required_by: path,
            classifier: None,
            modules: 0,
        });
    }
    distributions
}
