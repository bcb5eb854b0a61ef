//! Files: who asks whether there is one, and who makes or removes it.
//!
//! A path is a place where it is certain that all who come by mean the same file: a variable of a module
//! or an attribute that is stored once, a literal, or a parameter to which a thread's starter gives the
//! same value each time ([`Spawn::equal`]).

#[allow(clippy::wildcard_imports)]
use super::*;

impl Summaries<'_> {
    /// What a function that a model describes does to the files whose paths it is given.
    pub(super) fn files(
        &mut self,
        walk: &mut Walk<'_>,
        index: u32,
        call: &Call,
        model: &CallModel,
    ) {
        let arguments = walk.function.list(call.arguments);
        let makes = model
            .makes
            .filter(|_| fails_or_overwrites(walk.function, call));
        let uses = [
            (model.finds, Access::Lookup),
            (makes, Access::Add),
            (model.removes, Access::Remove),
        ];
        for (position, access) in uses {
            let path = position.and_then(|it| arguments.get(it));
            let Some((place, keyed_by)) = path.and_then(|&it| self.file(walk, it)) else {
                continue;
            };
            let expected = walk.function.ops[index as usize].refusal_handled;
            let access = PlaceAccess {
                keyed_by,
                settled: expected,
                ..PlaceAccess::plain(place, access)
            };
            if expected || access.access == Access::Lookup {
                self.record(walk, index, Action::Access(access));
            } else {
                self.act(walk, index, access);
            }
        }
    }

    /// The file at a path, with the parameter that is the path.
    pub(super) fn file(&mut self, walk: &Walk<'_>, path: ValueId) -> Option<(Place, Option<u16>)> {
        let links = self.eval.links;
        let module = Object::Module(walk.function_id.module);
        let value = match *walk.function.value(path) {
            Value::Read(op) => match walk.function.ops.get(op as usize).map(|it| &it.kind) {
                Some(OpKind::ReadVariable {
                    variable: Variable::Global(name),
                    ..
                }) => Value::Global(*name),
                _ => return None,
            },
            ref value => value.clone(),
        };
        let (object, name, parameter) = match value {
            Value::Global(name) if !links.is_rewritten(name) => {
                (self.eval.arena.object(module), name, None)
            }
            Value::Constant(Constant::Text(Some(text))) => {
                (self.eval.arena.object(module), text, None)
            }
            Value::Attribute { base, name, .. } if !links.is_rewritten(name) => {
                let set = self.eval.value(walk.frame, base);
                let &[object] = self.eval.arena.members(set) else {
                    return None;
                };
                (object, name, None)
            }
            Value::Parameter(at) => {
                let name = walk.function.parameters.get(usize::from(at))?.name;
                let function = Object::Function(walk.function_id, FrameId::NONE);
                (self.eval.arena.object(function), name, Some(at))
            }
            _ => return None,
        };
        let slot = Slot::File(name);
        Some((Place { object, slot }, parameter))
    }
}

/// Whether a call that makes a file or folder fails or overwrites where there is one: not with
/// `exist_ok`, nor where the mode it opens a file with says that it only reads, appends, or makes a new
/// one.
fn fails_or_overwrites(function: &Function, call: &Call) -> bool {
    let keyword = |name: &str| {
        let mut keywords = call.keywords.iter();
        keywords.find(|it| it.0.as_str() == name).map(|it| it.1)
    };
    if keyword("exist_ok").is_some() {
        return false;
    }
    let opens = matches!(function.value(call.callee), Value::Global(name)
        if name.as_str() == "open");
    let second = function.list(call.arguments).get(1).copied();
    let mode = keyword("mode").or(second);
    let writes = mode.is_some_and(|it| {
        matches!(function.value(it), Value::Constant(Constant::Text(Some(text)))
            if text.as_str().starts_with('w'))
    });
    writes || !opens
}
