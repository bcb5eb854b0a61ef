//! `raceproof audit`.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::audit::outcome::{Audit, Standing};
use crate::audit::report::{self, Format};
use crate::audit::tag::Platform;
use crate::audit::target::Target;
use crate::audit::{Request, Run};

/// Arguments of `raceproof audit`.
#[derive(Debug, Args)]
#[command(
    after_help = "Nothing that is audited is executed, except with --run.\n\nExit codes: 0 ready, 1 not (see --fail-on), 2 something could not be read."
)]
pub struct AuditArgs {
    /// Lock files, environments, site-packages folders, wheels, extension modules or projects.
    #[arg(value_name = "PATH", default_value = ".")]
    paths: Vec<PathBuf>,

    /// The free-threaded build asked about: 3.13t, 3.14t or 3.15t.
    #[arg(long, value_name = "VERSION", default_value = "3.14t")]
    target: Target,

    /// A platform whose wheels count in lock files, such as macosx_arm64, or `all`; repeatable.
    /// Without it, the platform this runs on.
    #[arg(long, value_name = "PLATFORM")]
    platform: Vec<String>,

    /// A dependency group to include besides the project's own dependencies; repeatable.
    #[arg(long, value_name = "NAME")]
    group: Vec<String>,

    /// An extra to include; repeatable.
    #[arg(long, value_name = "NAME")]
    extra: Vec<String>,

    /// Include every group and every extra.
    #[arg(long)]
    all_groups: bool,

    /// A saved page of a package index (simple API in JSON, or PyPI's), to name newer versions
    /// that have a wheel; repeatable.
    #[arg(long, value_name = "FILE")]
    index_metadata: Vec<PathBuf>,

    /// Tell by what path a distribution is required, and what is known about it.
    #[arg(long, value_name = "NAME")]
    why: Option<String>,

    /// Import every extension module in a process of its own and see what happens. This executes
    /// the code of the audited packages.
    #[arg(long)]
    run: bool,

    /// The free-threaded interpreter for --run.
    #[arg(long, value_name = "PATH", requires = "run")]
    python: Option<PathBuf>,

    /// Seconds an import may take with --run.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, requires = "run")]
    timeout: u64,

    /// What makes the exit code 1.
    #[arg(long, value_enum, default_value = "blocked")]
    fail_on: FailOn,

    /// How to write the report.
    #[arg(long, value_enum, default_value = "text")]
    output_format: OutputFormat,

    /// Write the report to a file instead of standard output.
    #[arg(long, value_name = "FILE")]
    output_file: Option<PathBuf>,

    /// Leave the project's own code alone.
    #[arg(long)]
    no_code: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FailOn {
    /// Something re-enables the GIL, cannot be loaded, or has no file for the target.
    Blocked,
    /// The same, or something is not decided.
    Unproven,
    /// Never; the report tells.
    Never,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum OutputFormat {
    Text,
    Json,
    Sarif,
    Markdown,
    Html,
}

/// Runs `raceproof audit`.
pub fn run(args: AuditArgs) -> ExitCode {
    match request(&args) {
        Ok(request) => conclude(&args, &request),
        Err(message) => {
            super::output::complain(message);
            ExitCode::from(super::FAILURE)
        }
    }
}

fn request(args: &AuditArgs) -> Result<Request, String> {
    let mut platforms = Vec::new();
    for name in &args.platform {
        if name == "all" {
            for name in Platform::NAMES {
                platforms.push(name.parse()?);
            }
        } else {
            platforms.push(
                name.parse::<Platform>()
                    .map_err(|error| format!("--platform `{name}`: {error}, or all"))?,
            );
        }
    }
    if platforms.is_empty() {
        platforms.push(Platform::host());
    }
    Ok(Request {
        paths: args.paths.clone(),
        target: args.target,
        platforms,
        groups: args.group.clone(),
        extras: args.extra.clone(),
        all_groups: args.all_groups,
        index_metadata: args.index_metadata.clone(),
        run: args.run.then(|| Run {
            python: args.python.clone(),
            timeout: Duration::from_secs(args.timeout),
        }),
    })
}

fn conclude(args: &AuditArgs, request: &Request) -> ExitCode {
    let audit = crate::audit::audit(request, None);
    let written = match &args.output_file {
        Some(path) => File::create(path)
            .and_then(|file| write(args, &audit, false, &mut BufWriter::new(file)))
            .map_err(|error| format!("{}: {error}", path.display())),
        None => {
            let stdout = io::stdout();
            let colour = stdout.is_terminal() && std::env::var_os("NO_COLOR").is_none();
            match write(args, &audit, colour, &mut BufWriter::new(stdout.lock())) {
                // Whoever reads us has had enough.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(true),
                other => other.map_err(|error| format!("standard output: {error}")),
            }
        }
    };
    match written {
        Ok(true) => {}
        Ok(false) => {
            super::output::complain(format_args!(
                "nothing audited is named `{}`",
                args.why.as_deref().unwrap_or_default()
            ));
            return ExitCode::from(super::FAILURE);
        }
        Err(message) => {
            super::output::complain(message);
            return ExitCode::from(super::FAILURE);
        }
    }
    if audit.problems.iter().any(|problem| problem.fatal) {
        // The table tells; other formats may be read by nobody.
        if !matches!(args.output_format, OutputFormat::Text) || args.why.is_some() {
            for problem in audit.problems.iter().filter(|problem| problem.fatal) {
                super::output::complain(format_args!("{}: {}", problem.path, problem.message));
            }
        }
        return ExitCode::from(super::FAILURE);
    }
    let failed = match args.fail_on {
        FailOn::Blocked => audit.summary.readiness == Standing::Blocked,
        FailOn::Unproven => audit.summary.readiness != Standing::Ready,
        FailOn::Never => false,
    };
    ExitCode::from(u8::from(failed))
}

/// Returns whether there was anything to say.
fn write(args: &AuditArgs, audit: &Audit, colour: bool, out: &mut dyn Write) -> io::Result<bool> {
    let said = match &args.why {
        Some(name) => report::why::write(audit, name, out)?,
        None => {
            let format = match args.output_format {
                OutputFormat::Text => Format::Text,
                OutputFormat::Json => Format::Json,
                OutputFormat::Sarif => Format::Sarif,
                OutputFormat::Markdown => Format::Markdown,
                OutputFormat::Html => Format::Html,
            };
            report::write(audit, format, colour, out)?;
            true
        }
    };
    out.flush()?;
    Ok(said)
}
