//! Which packages of a lock an installation takes, and by what path they are required.

use std::collections::VecDeque;

use rustc_hash::{FxHashMap, FxHashSet};

use super::{Lock, Origin, Package, Scope};
use crate::audit::marker::{MarkerEnvironment, holds};

/// Requirements in a row that are shown.
const MAX_PATH: usize = 32;

/// A package that is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needed {
    /// Its position in the lock.
    pub index: usize,
    /// Names from the project (or a package nobody requires) to this one.
    pub path: Vec<String>,
}

/// The packages that `environment` takes from `lock`, in the lock's order, and the markers that
/// could not be read (which count as holding, so that nothing is overlooked).
pub fn needed(lock: &Lock, environment: &MarkerEnvironment<'_>) -> (Vec<Needed>, Vec<String>) {
    let mut walk = Walk {
        lock,
        environment,
        by_name: FxHashMap::default(),
        unread: Vec::new(),
    };
    for (index, package) in lock.packages.iter().enumerate() {
        walk.by_name.entry(&package.name).or_default().push(index);
    }
    let projects: Vec<usize> = (0..lock.packages.len())
        .filter(|&index| lock.packages[index].origin == Origin::Project)
        .collect();
    let has_graph = projects
        .iter()
        .any(|&index| !lock.packages[index].requires.is_empty());
    let mut found = if has_graph {
        walk.from(&projects, |_| true)
    } else {
        walk.selected()
    };
    found.sort_by_key(|needed| needed.index);
    walk.unread.sort();
    walk.unread.dedup();
    (found, walk.unread)
}

/// The names from a root to `index`; of a longer way, where it begins and its last part.
fn path_to(
    lock: &Lock,
    parents: &FxHashMap<usize, (Option<usize>, usize)>,
    index: usize,
) -> Vec<String> {
    let name = |index: usize| lock.packages[index].name.clone();
    let mut path = vec![name(index)];
    let mut at = index;
    while let Some(&(Some(parent), root)) = parents.get(&at) {
        if path.len() == MAX_PATH {
            path.extend(["...".to_owned(), name(root)]);
            break;
        }
        path.push(name(parent));
        at = parent;
    }
    path.reverse();
    path
}

struct Walk<'a> {
    lock: &'a Lock,
    environment: &'a MarkerEnvironment<'a>,
    by_name: FxHashMap<&'a str, Vec<usize>>,
    unread: Vec<String>,
}

impl<'a> Walk<'a> {
    fn holds(&mut self, marker: Option<&str>, extras: &[String]) -> bool {
        let Some(marker) = marker else { return true };
        let environment = MarkerEnvironment {
            extras,
            ..self.environment.clone()
        };
        match holds(marker, &environment) {
            Ok(value) => value,
            Err(error) => {
                self.unread.push(error.0);
                true
            }
        }
    }

    /// For formats without a project: every package whose groups and marker are asked for; paths
    /// start at packages that nobody requires.
    fn selected(&mut self) -> Vec<Needed> {
        let extras = self.environment.extras.to_vec();
        let mut chosen = FxHashSet::default();
        for (index, package) in self.lock.packages.iter().enumerate() {
            let grouped = package.groups.is_empty()
                || self.environment.all
                || package.groups.iter().any(|group| {
                    matches!(group.as_str(), "main" | "default")
                        || self.environment.groups.contains(group)
                        || self.environment.extras.contains(group)
                });
            let wanted = !package.optional || self.environment.all || !extras.is_empty();
            if grouped
                && wanted
                && package.origin != Origin::Project
                && self.holds(package.marker.as_deref(), &extras)
            {
                chosen.insert(index);
            }
        }
        let required: FxHashSet<&str> = chosen
            .iter()
            .flat_map(|&index| &self.lock.packages[index].requires)
            .map(|it| it.name.as_str())
            .collect();
        let mut roots: Vec<usize> = chosen
            .iter()
            .copied()
            .filter(|&index| !required.contains(self.lock.packages[index].name.as_str()))
            .collect();
        roots.sort_unstable();
        let mut found = self.from(&roots, |index| chosen.contains(&index));
        let reached: FxHashSet<usize> = found.iter().map(|needed| needed.index).collect();
        for &index in chosen.difference(&reached) {
            found.push(Needed {
                index,
                path: vec![self.lock.packages[index].name.clone()],
            });
        }
        found
    }

    /// Breadth first, so that paths are shortest. Every extra that is asked of a package opens
    /// more of its requirements.
    fn from(&mut self, roots: &[usize], allowed: impl Fn(usize) -> bool) -> Vec<Needed> {
        let lock = self.lock;
        // By whom a package was first required, and where that began.
        let mut parents: FxHashMap<usize, (Option<usize>, usize)> = FxHashMap::default();
        let mut visited: FxHashSet<(usize, Option<String>)> = FxHashSet::default();
        let mut queue: VecDeque<(usize, Option<String>)> = VecDeque::new();
        for &root in roots {
            parents.insert(root, (None, root));
            visited.insert((root, None));
            queue.push_back((root, None));
        }
        while let Some((index, extra)) = queue.pop_front() {
            let package = &lock.packages[index];
            let project = package.origin == Origin::Project;
            let asked: Vec<String> = if project {
                self.environment.extras.to_vec()
            } else {
                extra.clone().into_iter().collect()
            };
            for requirement in &package.requires {
                let counts = match &requirement.scope {
                    Scope::Always => true,
                    Scope::Extra(name) => asked.contains(name) || project && self.environment.all,
                    Scope::Group(name) => {
                        project && (self.environment.all || self.environment.groups.contains(name))
                    }
                };
                if !counts || !self.holds(requirement.marker.as_deref(), &asked) {
                    continue;
                }
                for next in self.candidates(&requirement.name, requirement.version.as_deref()) {
                    if !allowed(next) {
                        continue;
                    }
                    let root = parents.get(&index).map_or(index, |it| it.1);
                    parents.entry(next).or_insert((Some(index), root));
                    let extras = requirement.extras.iter().cloned().map(Some);
                    for extra in std::iter::once(None).chain(extras) {
                        if visited.insert((next, extra.clone())) {
                            queue.push_back((next, extra));
                        }
                    }
                }
            }
        }
        parents
            .keys()
            .filter(|&&index| lock.packages[index].origin != Origin::Project)
            .map(|&index| Needed {
                index,
                path: path_to(lock, &parents, index),
            })
            .collect()
    }

    fn candidates(&mut self, name: &str, version: Option<&str>) -> Vec<usize> {
        let indices = self.by_name.get(name).cloned().unwrap_or_default();
        let package = |index: usize| -> &'a Package { &self.lock.packages[index] };
        let named: Vec<usize> = indices
            .iter()
            .copied()
            .filter(|&index| version.is_none_or(|version| package(index).version == version))
            .collect();
        let mut holding = Vec::new();
        for &index in &named {
            let marker = self.lock.packages[index].marker.as_deref();
            if self.holds(marker, &[]) {
                holding.push(index);
            }
        }
        holding
    }
}
