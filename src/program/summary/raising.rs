//! Exceptions: locks that stay taken because one comes out between `acquire` and `release`.
//!
//! Any call may raise; counted are those that are made to: a function that raises on purpose, a
//! function of a library whose model says when it raises, and what a caller handed in, of which
//! nothing is known.

#[allow(clippy::wildcard_imports)]
use super::*;

/// Longer chains of calls to the `raise` are not looked for.
const MAX_DEPTH: u32 = 2;

impl Summaries<'_> {
    /// Adds the locks that the function leaves taken on some way out, one way for each.
    pub(super) fn leaks(&mut self, walk: &mut Walk<'_>) {
        let mut told: Vec<(ValueId, crate::source::span::Range)> = Vec::new();
        for leak in &walk.function.leaks {
            if told.contains(&(leak.lock, leak.acquired)) {
                continue;
            }
            let by = match leak.by {
                WayOut::Statement => Some(Escape::Statement),
                WayOut::Raise => Some(Escape::Raise),
                WayOut::Thrown => self
                    .eval
                    .is_decorated_with(walk.function_id, &["contextmanager", "asynccontextmanager"])
                    .then_some(Escape::Thrown),
                WayOut::Call(call) => self
                    .raised_by(walk.frame, call, 0)
                    .map(|what| Escape::Raised(Name::new(&what))),
            };
            let Some(by) = by else { continue };
            told.push((leak.lock, leak.acquired));
            for held in self.locks_of(walk.frame, leak.lock, 0) {
                self.leak(walk, held, leak, by);
            }
        }
    }

    fn leak(&mut self, walk: &mut Walk<'_>, held: HeldLock, leak: &Leak, by: Escape) {
        if held.mode != Mode::Exclusive {
            return;
        }
        let at = At {
            function: walk.function_id,
            range: leak.acquired,
        };
        walk.summary.effects.push(Effect {
            action: Action::Leak {
                lock: held.lock,
                exit: leak.exit,
                by,
            },
            at,
            meeting: None,
            via: at,
            held: Rc::clone(&self.empty_locks),
            under: None,
            live: Rc::clone(&self.empty_live),
            finished: Rc::clone(&self.empty_objects),
            exposure: Exposure::Shared,
            own: false,
            in_loop: false,
        });
    }

    /// Who raises what comes out of a call, and when, in words; `depth` calls down.
    fn raised_by(&mut self, frame: FrameId, index: u32, depth: u32) -> Option<String> {
        let function = self
            .eval
            .links
            .function(self.eval.arena.frame_of(frame).function);
        let call = &function.calls[index as usize];
        let targets = self.eval.targets(frame, index);
        if targets.is_empty() && depth == 0 {
            let what = self.handed_in(frame, function, call)?;
            return Some(format!("`{what}` may raise anything"));
        }
        targets.iter().find_map(|target| match target {
            Target::Function(callee) => self.let_out(*callee, call, depth),
            Target::Construct(_, _, init) => self.let_out((*init)?, call, depth),
            Target::External(name) => {
                let model = self.eval.models.function(name.as_str())?;
                self.raised_by_library(frame, call, model, name.as_str())
            }
            Target::Method(receiver, name) => {
                let models = self.eval.models_of(*receiver);
                let mut models = models.iter();
                let model = models.find_map(|it| it.method.get(name.as_str()))?;
                self.raised_by_library(frame, call, model, name.as_str())
            }
        })
    }

    fn raised_by_library(
        &mut self,
        frame: FrameId,
        call: &Call,
        model: &CallModel,
        name: &str,
    ) -> Option<String> {
        let name = name.strip_prefix("builtins.").unwrap_or(name);
        if let Some(when) = &model.raises {
            return Some(format!("`{name}` raises {when}"));
        }
        let when = model.raises_on_text.as_ref()?;
        let function = self
            .eval
            .links
            .function(self.eval.arena.frame_of(frame).function);
        let &first = function.list(call.arguments).first()?;
        self.is_text(frame, function, first)
            .then(|| format!("`{name}` raises {when}"))
    }

    /// Whether a value that the program does not spell out where it is used is a string.
    fn is_text(&mut self, frame: FrameId, function: &Function, value: ValueId) -> bool {
        let gives = |value: ValueId, class: &str| {
            let Value::Call(call) = *function.value(value) else {
                return false;
            };
            let callee = function.value(function.calls[call as usize].callee);
            matches!(callee, Value::Attribute { name, .. }
                if self.eval.models.method("builtins.str", name.as_str())
                    .is_some_and(|it| it.returns.as_deref() == Some(class)))
        };
        match *function.value(value) {
            Value::Constant(_) => return false,
            Value::Call(_) if gives(value, "builtins.str") => return true,
            Value::Item { base, .. } | Value::Element(base) if gives(base, "builtins.list") => {
                return true;
            }
            _ => {}
        }
        if let Value::Parameter(position) = *function.value(value)
            && let Some(parameter) = function.parameters.get(usize::from(position))
        {
            let around = FunctionId {
                index: function.parent,
                ..self.eval.arena.frame_of(frame).function
            };
            let around = self.eval.links.function(around);
            if matches!(around.value(parameter.annotation),
                Value::Global(name) if name.as_str() == "str")
            {
                return true;
            }
        }
        let set = self.eval.value(frame, value);
        let mut members = self.eval.arena.members(set).iter();
        members.any(|&it| match self.eval.arena.get(it) {
            Object::Constant(Constant::Text(_)) => true,
            Object::Foreign(class, _) => class.as_str() == "builtins.str",
            _ => false,
        })
    }

    /// What to say of a function of the program that lets an exception out.
    fn let_out(&mut self, callee: FrameId, call: &Call, depth: u32) -> Option<String> {
        let id = self.eval.arena.frame_of(callee).function;
        let function = self.eval.links.function(id);
        // Calling a generator or coroutine function runs nothing of it.
        if function.is_generator || function.is_async && !call.awaited {
            return None;
        }
        self.lets_out(callee, depth + 1).then(|| {
            let name = self.eval.links.qualified_name(id);
            format!("`{name}` raises an exception")
        })
    }

    fn lets_out(&mut self, frame: FrameId, depth: u32) -> bool {
        let id = self.eval.arena.frame_of(frame).function;
        if let Some(&known) = self.lets_out.get(&id) {
            return known;
        }
        // Asked once more on the way, the answer adds nothing.
        self.lets_out.insert(id, false);
        let function = self.eval.links.function(id);
        let found = function.raises
            || depth < MAX_DEPTH
                && (0..).zip(&function.calls).any(|(index, call)| {
                    !call.caught && self.raised_by(frame, index, depth).is_some()
                });
        if found || depth <= 1 {
            self.lets_out.insert(id, found);
        } else {
            self.lets_out.remove(&id);
        }
        found
    }
}
