//! The built-in library models: every file loads, and what it names can be found.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeMap;

use raceproof::models::{BUILTIN, CallModel, ClassModel, ModelFile, Models, Spawn};

const TARGETS: &[&str] = &["3.13t", "3.14t", "3.15t"];

fn files() -> Vec<(&'static str, ModelFile)> {
    BUILTIN
        .iter()
        .map(|&(name, text)| {
            let file = toml::from_str(text)
                .unwrap_or_else(|error| panic!("rules/models/{name}.toml: {error}"));
            (name, file)
        })
        .collect()
}

/// Every call model of a file with a name for messages.
fn calls(file: &ModelFile) -> Vec<(String, &CallModel)> {
    let functions = file.function.iter().map(|(name, it)| (name.clone(), it));
    let methods = file.class.iter().flat_map(|(class, model)| {
        model
            .method
            .iter()
            .map(move |(name, it)| (format!("{class}.{name}"), it))
    });
    functions.chain(methods).collect()
}

#[test]
fn every_file_on_disk_is_built_in() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/rules/models");
    let mut on_disk: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "toml"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    on_disk.sort();
    let mut built_in: Vec<String> = BUILTIN.iter().map(|(name, _)| (*name).to_owned()).collect();
    built_in.sort();
    assert_eq!(on_disk, built_in);
}

#[test]
fn every_file_says_something_about_every_name() {
    for (name, file) in files() {
        assert!(
            !file.class.is_empty() || !file.function.is_empty(),
            "rules/models/{name}.toml is empty"
        );
        for (class, model) in &file.class {
            assert_ne!(model, &ClassModel::default(), "{name}: `{class}`");
        }
        for (call, model) in calls(&file) {
            assert_ne!(model, &CallModel::default(), "{name}: `{call}`");
        }
    }
}

#[test]
fn a_name_is_defined_in_one_file() {
    let mut seen = BTreeMap::new();
    for (file, model) in files() {
        let classes = model.class.keys().map(|key| ("class", key));
        let functions = model.function.keys().map(|key| ("function", key));
        let aliases = model.alias.keys().map(|key| ("alias", key));
        for (kind, key) in classes.chain(functions).chain(aliases) {
            if let Some(other) = seen.insert((kind, key.clone()), file) {
                panic!("{kind} `{key}` is in {other}.toml and in {file}.toml");
            }
        }
    }
}

#[test]
fn names_are_canonical() {
    let models = Models::builtin();
    for (name, file) in files() {
        for key in file.class.keys().chain(file.function.keys()) {
            assert!(key.contains('.'), "{name}: `{key}` has no module");
            assert_eq!(models.canonical(key), key.as_str(), "{name}");
        }
        for (alias, target) in &file.alias {
            assert_eq!(
                alias.ends_with('.'),
                target.ends_with('.'),
                "{name}: `{alias}`: a module alias ends in a dot on both sides"
            );
            assert_eq!(models.canonical(target), target.as_str(), "{name}");
        }
    }
}

#[test]
fn aliases_lead_to_something() {
    let files = files();
    let known: Vec<&String> = files
        .iter()
        .flat_map(|(_, file)| file.class.keys().chain(file.function.keys()))
        .collect();
    for (name, file) in &files {
        for (alias, target) in &file.alias {
            let found = if target.ends_with('.') {
                known.iter().any(|it| it.starts_with(target.as_str()))
            } else {
                known.contains(&target)
            };
            assert!(
                found,
                "{name}: `{alias}` leads to `{target}`, which has no model"
            );
        }
    }
}

#[test]
fn references_to_classes_lead_to_something() {
    let models = Models::builtin();
    for (name, file) in files() {
        let bases = file.class.values().flat_map(|it| it.bases.clone());
        let results = calls(&file)
            .into_iter()
            .filter_map(|(_, it)| it.returns.clone())
            .collect::<Vec<_>>();
        for class in bases.chain(results).chain(file.object.into_values()) {
            assert_eq!(models.canonical(&class), class, "{name}");
            assert!(
                models.class(&class).is_some() || class.starts_with("builtins."),
                "{name}: `{class}` has no model"
            );
        }
    }
}

#[test]
fn targets_exist() {
    for (name, file) in files() {
        let calls = calls(&file);
        let of_calls = calls
            .iter()
            .flat_map(|(_, it)| [&it.process_wide_until, &it.atomic_from]);
        let of_classes = file.class.values().map(|it| &it.unsafe_until);
        for target in of_calls.chain(of_classes).flatten() {
            assert!(TARGETS.contains(&target.as_str()), "{name}: {target}");
        }
    }
}

#[test]
fn every_spawn_of_a_call_names_its_callable() {
    let names = |spawn: &Spawn| spawn.target.is_some() || spawn.keyword.is_some();
    for (name, file) in files() {
        for (call, model) in calls(&file) {
            for spawn in &model.spawns {
                assert!(names(spawn), "{name}: `{call}` does not say what is run");
                assert!(!spawn.runs_as.is_empty(), "{name}: `{call}`");
            }
            if let Some(spawn) = &model.decorated_runs {
                assert!(!names(spawn), "{name}: `{call}` decorates what it runs");
            }
        }
    }
}

#[test]
fn a_user_file_extends_and_overrides() {
    let mut models = Models::builtin();
    let before = models.hash;
    models
        .load(
            r#"
            [class."acme.jobs.Runner".method.enqueue]
            spawns = [{ target = 0, passing = "rest", threads = "many", runs-as = "job thread" }]

            [class."acme.jobs.FastRunner"]
            bases = ["acme.jobs.Runner"]

            [function."time.sleep"]
            blocks = "the clock"

            [alias]
            "acme.Runner" = "acme.jobs.Runner"
            "acme.impl." = "acme."
            "#,
        )
        .unwrap();
    assert_ne!(models.hash, before, "cached facts must not outlive a model");
    assert_eq!(models.canonical("acme.Runner"), "acme.jobs.Runner");
    assert_eq!(
        models.canonical("acme.impl.jobs.Runner"),
        "acme.jobs.Runner"
    );
    let enqueue = models.method("acme.jobs.FastRunner", "enqueue").unwrap();
    assert_eq!(enqueue.spawns[0].runs_as, "job thread");
    let sleep = models.function("time.sleep").unwrap();
    assert_eq!(sleep.blocks.as_deref(), Some("the clock"));
}

#[test]
fn an_unknown_key_is_refused_with_its_place() {
    let error = Models::default()
        .load("[class.\"a.B\"]\nlok = \"mutex\"\n")
        .unwrap_err()
        .to_string();
    assert!(error.contains("unknown field `lok`"), "{error}");
    assert!(error.contains("line 2"), "{error}");
}

#[test]
fn bases_that_go_in_circles_end() {
    let mut models = Models::default();
    models
        .load("[class.\"a.A\"]\nbases = [\"a.B\"]\n[class.\"a.B\"]\nbases = [\"a.A\"]\n")
        .unwrap();
    assert_eq!(models.lineage("a.A").count(), 2);
    assert!(models.method("a.A", "absent").is_none());
}
