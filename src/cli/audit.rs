//! `raceproof audit`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::audit_code;
use super::output::{self, Failure};
use crate::audit::environment;
use crate::audit::outcome::Standing;
use crate::audit::report::{self, Format};
use crate::audit::tag::Platform;
use crate::audit::target::Target;
use crate::audit::{Request, Run};

/// Arguments of `raceproof audit`.
#[derive(Debug, Args)]
#[command(after_help = "Nothing that is audited is executed, except with --run.

Examples:
  raceproof audit                                  the project in the working directory
  raceproof audit uv.lock --target 3.13t           what a lock file would install
  raceproof audit .venv                            what an environment has installed

Exit codes:
  0  ready
  1  not (see --fail-on)
  2  something could not be read")]
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
    let audited = request(&args)
        .map_err(Failure::new)
        .and_then(|request| conclude(&args, &request));
    match audited {
        Ok(code) => code,
        Err(failure) => failure.tell(),
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

fn conclude(args: &AuditArgs, request: &Request) -> Result<ExitCode, Failure> {
    let mut problems = Vec::new();
    let mut code = None;
    if !args.no_code {
        // A folder that is no environment is a project; the first one's code is analysed.
        let project = args
            .paths
            .iter()
            .find(|path| path.is_dir() && environment::recognise(path).is_none());
        if let Some(root) = project {
            code = audit_code::code(root, args.target, &mut problems)?;
        }
    }
    let audit = crate::audit::audit(request, code, problems);

    if let Some(name) = &args.why {
        let mut known = false;
        output::write_result(args.output_file.as_deref(), |out, _| {
            known = report::why::write(&audit, name, out)?;
            Ok(())
        })?;
        if !known {
            return Err(Failure::new(format!("nothing audited is named `{name}`")));
        }
    } else {
        let format = match args.output_format {
            OutputFormat::Text => Format::Text,
            OutputFormat::Json => Format::Json,
            OutputFormat::Sarif => Format::Sarif,
            OutputFormat::Markdown => Format::Markdown,
            OutputFormat::Html => Format::Html,
        };
        output::write_result(args.output_file.as_deref(), |out, style| {
            report::write(&audit, format, style.colour, style.width, out)
        })?;
    }

    let mut unread = audit.problems.iter().filter(|it| it.fatal).peekable();
    if unread.peek().is_some() {
        // The table tells; other formats may be read by nobody.
        if !matches!(args.output_format, OutputFormat::Text) || args.why.is_some() {
            for problem in unread {
                output::complain(format_args!("{}: {}", problem.path, problem.message));
            }
        }
        return Ok(ExitCode::from(super::FAILURE));
    }
    let failed = match args.fail_on {
        FailOn::Blocked => audit.summary.readiness == Standing::Blocked,
        FailOn::Unproven => audit.summary.readiness != Standing::Ready,
        FailOn::Never => false,
    };
    Ok(ExitCode::from(u8::from(failed)))
}
