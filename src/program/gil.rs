//! Calls that ask about the GIL wrongly, or count on it: what models say of them, wherever they
//! stand. No thread needs to reach them.

use super::effect::At;
use super::object::{FunctionId, ModuleIndex};
use super::reading::Reading;
use super::sharing::is_test_path;
use crate::facts::{Function, OpKind, Value, ValueId, Variable};
use crate::models::Models;
use crate::source::name::Name;

/// A call that has to do with the GIL.
#[derive(Debug, Clone, Copy)]
pub struct GilUse {
    /// Where.
    pub at: At,
    /// What is called, in full.
    pub called: Name,
    /// It asks a question (`gil-check` in the models), rather than counting on an answer
    /// (`gil-reliance`).
    pub asks: bool,
    /// What to do instead.
    pub advice: Name,
}

/// All such calls of one module, in the order of functions.
pub fn uses(links: Reading<'_>, models: &Models, module: ModuleIndex) -> Vec<GilUse> {
    let mut found = Vec::new();
    let facts = links.module(module);
    let in_test = is_test_path(&facts.path);
    // Few modules so much as name such a function, under whatever name they import it.
    if !links.names_gil(module) {
        return found;
    }
    for (index, function) in facts.functions.iter().enumerate() {
        for op in &function.ops {
            let OpKind::Call(call) = op.kind else {
                continue;
            };
            let callee = function.calls[call as usize].callee;
            let Some(called) = imported_name(links, module, function, callee, 0) else {
                continue;
            };
            let called = models.canonical(&called);
            let Some(model) = models.function(&called) else {
                continue;
            };
            let (asks, advice) = match (&model.gil_check, &model.gil_reliance) {
                (Some(advice), _) => (true, advice),
                // Tests shorten the switch interval to bring races about.
                (None, Some(_)) if in_test => continue,
                (None, Some(advice)) => (false, advice),
                (None, None) => continue,
            };
            found.push(GilUse {
                at: At {
                    function: FunctionId {
                        module,
                        index: u32::try_from(index).unwrap_or(0),
                    },
                    range: op.range,
                },
                called: Name::new(&called),
                asks,
                advice: Name::new(advice),
            });
        }
    }
    found
}

/// The dotted name of something imported from a library; `depth` bounds chains of names.
fn imported_name(
    links: Reading<'_>,
    module: ModuleIndex,
    function: &Function,
    value: ValueId,
    depth: u32,
) -> Option<String> {
    if depth > 8 {
        return None;
    }
    let global = |name: Name| {
        let &[(owner, value)] = links.global(module, name)? else {
            return None;
        };
        let owner = links.module(module).functions.get(owner as usize)?;
        imported_name(links, module, owner, value, depth + 1)
    };
    match function.value(value) {
        Value::Module(name) => Some(name.to_string()),
        Value::Imported { module, name } => Some(format!("{module}.{name}")),
        Value::Attribute { base, name, .. } => {
            let base = imported_name(links, module, function, *base, depth + 1)?;
            Some(format!("{base}.{name}"))
        }
        Value::Global(name) => global(*name),
        Value::Read(op) => match function.ops.get(*op as usize).map(|it| &it.kind) {
            Some(OpKind::ReadVariable {
                variable: Variable::Global(name),
                ..
            }) => global(*name),
            _ => None,
        },
        _ => None,
    }
}
