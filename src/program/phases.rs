//! Phases of a program that names tell of: setting up, and the two ends of an object's life.
//!
//! Threads share what is there once they run. What a program registers, configures or patches, it
//! does before; and who starts or closes an object owns it, and does so once. No code says this but
//! the names, which Python programmers choose alike.

/// Whether the name of a function says that it is for setting up: before threads are started, in
/// the one thread of a process just forked, or between tests.
pub fn sets_up(name: &str) -> bool {
    const BEGINNINGS: [&str; 17] = [
        "register",
        "unregister",
        "deregister",
        "configure",
        "config_",
        "setup",
        "set_up",
        "install",
        "uninstall",
        "set_global_",
        "after_fork",
        "clear_",
        "reset_",
        "add_observer",
        "patch",
        "unpatch",
        "monkey",
    ];
    let plain = name.trim_start_matches('_');
    BEGINNINGS.iter().any(|it| plain.starts_with(it))
        || plain.ends_with("for_fork")
        || plain.ends_with("after_fork")
        || matches!(name, "__init_subclass__" | "__set_name__")
}

/// Whether the name of a method says that it begins or ends the life of its object: two threads do
/// not both do so.
pub fn begins_or_ends(name: &str) -> bool {
    matches!(
        name.trim_start_matches('_'),
        "start"
            | "run"
            | "open"
            | "connect"
            | "warmup"
            | "init"
            | "initialize"
            | "serve_forever"
            | "stop"
            | "close"
            | "shutdown"
            | "terminate"
            | "join"
    ) || matches!(name, "__enter__" | "__exit__")
}
