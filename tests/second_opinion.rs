//! A second, independent reading of the same Python: where RustPython's parser and ours both parse
//! a file, they must see the same definitions, calls, `with` items and augmented assignments.
//!
//! The files are the fixtures, and the standard library of the `python3` on the path.
#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs)]

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::process::Command;

use ruff_python_ast::visitor::{Visitor, walk_expr, walk_stmt, walk_with_item};
use ruff_python_ast::{Expr, Stmt, WithItem};
use ruff_text_size::Ranged;
use rustpython_parser::ast::fold::{self, Fold};
use rustpython_parser::ast::{self as other, text_size::TextRange};
use rustpython_parser::{Mode, parse};

/// What both parsers must agree on. Offsets are bytes.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Seen {
    /// Name, whether it is a coroutine, positional parameters, decorators.
    Function(String, bool, usize, usize),
    /// Name, bases, decorators.
    Class(String, usize, usize),
    /// Start, end, positional arguments, keywords.
    Call(u32, u32, usize, usize),
    /// Start and end of the context expression, and whether it is bound to a name.
    With(u32, u32, bool),
    /// Start, end, operator.
    Augmented(u32, u32, String),
}

#[derive(Default)]
struct Ours(Vec<Seen>);

impl<'a> Visitor<'a> for Ours {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::FunctionDef(it) => {
                let positional = it.parameters.posonlyargs.len() + it.parameters.args.len();
                let decorators = it.decorator_list.len();
                let name = it.name.to_string();
                self.0
                    .push(Seen::Function(name, it.is_async, positional, decorators));
            }
            Stmt::ClassDef(it) => {
                let bases = it.bases().len();
                let decorators = it.decorator_list.len();
                self.0
                    .push(Seen::Class(it.name.to_string(), bases, decorators));
            }
            Stmt::AugAssign(it) => {
                let (start, end) = (it.start().to_u32(), it.end().to_u32());
                self.0
                    .push(Seen::Augmented(start, end, format!("{:?}", it.op)));
            }
            _ => {}
        }
        walk_stmt(self, stmt);
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            // RustPython gives the expressions inside formatted strings offsets of their own.
            Expr::FString(_) => return,
            Expr::Call(it) => {
                let positional = it.arguments.args.len();
                let keywords = it.arguments.keywords.len();
                let (start, end) = (it.start().to_u32(), it.end().to_u32());
                self.0.push(Seen::Call(start, end, positional, keywords));
            }
            _ => {}
        }
        walk_expr(self, expr);
    }

    fn visit_with_item(&mut self, item: &'a WithItem) {
        let range = item.context_expr.range();
        let bound = item.optional_vars.is_some();
        let (start, end) = (range.start().to_u32(), range.end().to_u32());
        self.0.push(Seen::With(start, end, bound));
        walk_with_item(self, item);
    }
}

#[derive(Default)]
struct Theirs(Vec<Seen>);

impl Theirs {
    fn function(&mut self, name: &str, is_async: bool, args: &other::Arguments, decorators: usize) {
        let positional = args.posonlyargs.len() + args.args.len();
        self.0.push(Seen::Function(
            name.to_owned(),
            is_async,
            positional,
            decorators,
        ));
    }
}

impl Fold<TextRange> for Theirs {
    type TargetU = TextRange;
    type Error = Infallible;
    type UserContext = ();

    fn will_map_user(&mut self, _user: &TextRange) {}

    fn map_user(&mut self, user: TextRange, (): ()) -> Result<TextRange, Infallible> {
        Ok(user)
    }

    fn fold_stmt_function_def(
        &mut self,
        node: other::StmtFunctionDef,
    ) -> Result<other::StmtFunctionDef, Infallible> {
        self.function(&node.name, false, &node.args, node.decorator_list.len());
        fold::fold_stmt_function_def(self, node)
    }

    fn fold_stmt_async_function_def(
        &mut self,
        node: other::StmtAsyncFunctionDef,
    ) -> Result<other::StmtAsyncFunctionDef, Infallible> {
        self.function(&node.name, true, &node.args, node.decorator_list.len());
        fold::fold_stmt_async_function_def(self, node)
    }

    fn fold_stmt_class_def(
        &mut self,
        node: other::StmtClassDef,
    ) -> Result<other::StmtClassDef, Infallible> {
        let decorators = node.decorator_list.len();
        self.0.push(Seen::Class(
            node.name.to_string(),
            node.bases.len(),
            decorators,
        ));
        fold::fold_stmt_class_def(self, node)
    }

    fn fold_stmt_aug_assign(
        &mut self,
        node: other::StmtAugAssign,
    ) -> Result<other::StmtAugAssign, Infallible> {
        let (start, end) = (node.range.start().to_u32(), node.range.end().to_u32());
        self.0
            .push(Seen::Augmented(start, end, format!("{:?}", node.op)));
        fold::fold_stmt_aug_assign(self, node)
    }

    fn fold_expr_call(&mut self, node: other::ExprCall) -> Result<other::ExprCall, Infallible> {
        let (start, end) = (node.range.start().to_u32(), node.range.end().to_u32());
        self.0
            .push(Seen::Call(start, end, node.args.len(), node.keywords.len()));
        fold::fold_expr_call(self, node)
    }

    fn fold_withitem(&mut self, node: other::WithItem) -> Result<other::WithItem, Infallible> {
        let range = other::Ranged::range(&node.context_expr);
        let (start, end) = (range.start().to_u32(), range.end().to_u32());
        self.0
            .push(Seen::With(start, end, node.optional_vars.is_some()));
        fold::fold_withitem(self, node)
    }

    fn fold_expr_joined_str(
        &mut self,
        node: other::ExprJoinedStr,
    ) -> Result<other::ExprJoinedStr, Infallible> {
        Ok(node)
    }
}

/// How many files were compared, and how many the second parser could not read.
#[derive(Debug, Default)]
struct Tally {
    compared: usize,
    unread: usize,
}

/// Compares both readings of the files; the second parser recurses, hence the stack.
fn compare(files: Vec<PathBuf>) -> Tally {
    std::thread::Builder::new()
        .stack_size(256 << 20)
        .spawn(move || {
            let mut tally = Tally::default();
            for file in files {
                compare_one(&file, &mut tally);
            }
            tally
        })
        .unwrap()
        .join()
        .unwrap()
}

fn compare_one(file: &Path, tally: &mut Tally) {
    // Files in other encodings, broken on purpose or not, are for `tests/` of decoding.
    let Ok(text) = std::fs::read_to_string(file) else {
        return;
    };
    let Ok(parsed) = raceproof::source::parse::parse(&text) else {
        return;
    };
    if !parsed.errors().is_empty() {
        return;
    }
    let Ok(module) = parse(&text, Mode::Module, "") else {
        tally.unread += 1;
        return;
    };
    let mut ours = Ours::default();
    for stmt in parsed.suite() {
        ours.visit_stmt(stmt);
    }
    let mut theirs = Theirs::default();
    let Ok(_) = theirs.fold_mod(module);
    ours.0.sort();
    theirs.0.sort();
    if ours.0 != theirs.0 {
        let extra: Vec<_> = ours.0.iter().filter(|it| !theirs.0.contains(it)).collect();
        let missing: Vec<_> = theirs.0.iter().filter(|it| !ours.0.contains(it)).collect();
        panic!(
            "{}: only ours {extra:?}, only theirs {missing:?}",
            file.display()
        );
    }
    tally.compared += 1;
}

/// The Python files below a folder, in order.
fn python_files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = walkdir::WalkDir::new(folder)
        .into_iter()
        .filter_map(Result::ok)
        .map(walkdir::DirEntry::into_path)
        .filter(|path| path.extension().is_some_and(|it| it == "py"))
        .collect();
    files.sort();
    files
}

#[test]
fn fixtures_read_alike() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let tally = compare(python_files(&fixtures));
    assert!(tally.compared > 10, "{tally:?}");
}

#[test]
fn the_standard_library_reads_alike() {
    let script = "import sysconfig; print(sysconfig.get_paths()['stdlib'])";
    let found = Command::new("python3").args(["-c", script]).output();
    let Some(folder) = found.ok().filter(|it| it.status.success()) else {
        let required = std::env::var_os("RACEPROOF_REQUIRE_EXTERNALS").is_some_and(|it| it == "1");
        assert!(!required, "there is no python3 on the path");
        eprintln!("skipped: there is no python3 on the path");
        return;
    };
    let folder = PathBuf::from(String::from_utf8(folder.stdout).unwrap().trim());
    let files: Vec<_> = python_files(&folder)
        .into_iter()
        .filter(|path| {
            let inner = path.strip_prefix(&folder).unwrap();
            // Installed packages and the tests of the standard library.
            !inner.starts_with("site-packages")
                && !inner.starts_with("dist-packages")
                && !inner.starts_with("test")
        })
        .collect();
    let tally = compare(files);
    assert!(tally.compared > 300, "{tally:?}");
    assert!(tally.unread * 20 < tally.compared, "{tally:?}");
}
