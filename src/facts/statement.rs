//! Statements to ops, with the flow between them.

use ruff_python_ast::{
    BoolOp, CmpOp, ElifElseClause, ExceptHandler, Expr, Pattern, Stmt, StmtClassDef, StmtFor,
    StmtFunctionDef, StmtIf, StmtImport, StmtImportFrom, StmtMatch, StmtTry, StmtWhile, StmtWith,
};
use rustc_hash::{FxHashMap, FxHashSet};

use super::body::{Body, ClassScope, Definition, LoopFrame, Walker, range_of};
use super::expression::{Condition, yields_pairs};
use super::held::{Flow, Taken};
use super::scope::Names;
use super::{Class, Constant, Held, Look, OpKind, Update, Value, ValueId, Variable};
use crate::source::span::Range;

impl<'a> Walker<'a> {
    /// Walks statements one after the other. A branch that leaves the function makes its test
    /// decide about all that follow in the same suite.
    pub(super) fn statements(&mut self, body: &'a [Stmt]) {
        for statement in body {
            self.statement(statement);
        }
    }

    fn suite(&mut self, body: &'a [Stmt]) {
        let control = self.frame().control;
        self.statements(body);
        self.frame().control = control;
    }

    fn statement(&mut self, statement: &'a Stmt) {
        let range = range_of(statement);
        match statement {
            Stmt::FunctionDef(def) => self.function_definition(def),
            Stmt::ClassDef(def) => self.class_definition(def),
            Stmt::Return(it) => {
                let value = match &it.value {
                    Some(value) => self.expression(value),
                    None => self.constant(Constant::None),
                };
                self.frame().code.returns.push(value);
                self.op(OpKind::Return { value }, range);
                self.leave(range);
            }
            Stmt::Raise(it) => {
                for value in it.exc.iter().chain(&it.cause) {
                    self.expression(value);
                }
                // What escapes by an exception is left to `finally` and callers; counting it as
                // a leak would report every unprotected call between acquire and release.
                self.frame().flow.alive = false;
            }
            Stmt::Delete(it) => {
                for target in &it.targets {
                    self.delete(target);
                }
            }
            Stmt::Assign(it) => {
                if let (Expr::Tuple(tuple), [Expr::Tuple(targets)]) = (&*it.value, &it.targets[..])
                {
                    let starred = |list: &[Expr]| list.iter().any(Expr::is_starred_expr);
                    if targets.elts.len() == tuple.elts.len()
                        && !starred(&targets.elts)
                        && !starred(&tuple.elts)
                    {
                        let values: Vec<_> =
                            tuple.elts.iter().map(|it| self.expression(it)).collect();
                        for (target, value) in targets.elts.iter().zip(values) {
                            self.assign(target, value, range);
                        }
                        return;
                    }
                }
                let value = self.expression(&it.value);
                for target in &it.targets {
                    self.assign(target, value, range);
                }
            }
            Stmt::AnnAssign(it) => {
                let value = match &it.value {
                    Some(value) => self.expression(value),
                    None => return,
                };
                self.assign(&it.target, value, range);
            }
            Stmt::AugAssign(it) => self.augmented(&it.target, &it.value, range),
            Stmt::For(it) => self.for_loop(it),
            Stmt::While(it) => self.while_loop(it),
            Stmt::If(it) => self.if_statement(it),
            Stmt::With(it) => self.with_statement(it),
            Stmt::Match(it) => self.match_statement(it),
            Stmt::Try(it) => self.try_statement(it),
            Stmt::Assert(it) => {
                let first = self.next_op();
                let condition = self.test(&it.test);
                self.assume(&condition, true);
                if let Some(message) = &it.msg {
                    self.expression(message);
                }
                self.frame().control = self.control_since(first);
            }
            Stmt::Import(it) => self.import(it),
            Stmt::ImportFrom(it) => self.import_from(it),
            Stmt::Expr(it) => {
                if let Expr::Call(call) = &*it.value {
                    self.call(call, true);
                } else {
                    self.expression(&it.value);
                }
            }
            Stmt::Break(_) => {
                let flow = self.flow_out_of_loop();
                if let Some(frame) = self.frame().loops.last_mut() {
                    frame.breaks.push(flow);
                }
                self.frame().flow.alive = false;
            }
            Stmt::Continue(_) => {
                self.end_of_iteration(range);
                self.frame().flow.alive = false;
            }
            Stmt::Global(_)
            | Stmt::Nonlocal(_)
            | Stmt::Pass(_)
            | Stmt::TypeAlias(_)
            | Stmt::IpyEscapeCommand(_) => {}
        }
    }

    /// A path leaves the function: locks it may still hold leak, unless a `finally` gives them
    /// back.
    pub(super) fn leave(&mut self, exit: Range) {
        let frame = self.frame();
        for taken in frame.flow.taken.clone() {
            if !frame.finally_releases.contains(&taken.text) {
                frame.leaks.push((taken, exit));
            }
        }
        frame.flow.alive = false;
    }

    /// The state behind a `break`: the way out of the loop leaves the `with` statements inside it
    /// and passes the `finally` clauses inside it.
    fn flow_out_of_loop(&mut self) -> Flow<'a> {
        let frame = self.frame();
        let Some(current) = frame.loops.last() else {
            return frame.flow.clone();
        };
        let left = frame.with_regions.get(current.with_depth).copied();
        let released = frame.finally_releases[current.finally_depth..].to_vec();
        if let Some(from) = left {
            self.give_back(from);
        }
        if !released.is_empty() {
            let frame = self.frame();
            let (given_back, taken) = std::mem::take(&mut frame.flow.taken)
                .into_iter()
                .partition(|taken| released.contains(&taken.text));
            let given_back: Vec<Taken<'a>> = given_back;
            frame.flow.taken = taken;
            self.keep_held(|held| given_back.iter().all(|it| it.region != held.region));
        }
        self.frame().flow.clone()
    }

    /// The loop starts over: a lock taken in this iteration leaks if it was to be given back in it.
    fn end_of_iteration(&mut self, exit: Range) {
        let frame = self.frame();
        if !frame.flow.alive {
            return;
        }
        let Some(current) = frame.loops.last() else {
            return;
        };
        for taken in frame.flow.taken.clone() {
            if !current.taken_before.contains(&taken.region)
                && current.releases.contains(&taken.text)
                && !frame.finally_releases.contains(&taken.text)
            {
                frame.leaks.push((taken, exit));
            }
        }
    }

    fn function_definition(&mut self, def: &'a StmtFunctionDef) {
        let decorators: Vec<_> = def
            .decorator_list
            .iter()
            .map(|it| self.expression(&it.expression))
            .collect();
        let name = self.name(&def.name);
        let index = self.function(
            name,
            Definition {
                parameters: Some(&def.parameters),
                body: Body::Statements(&def.body),
                decorators: &decorators,
                is_async: def.is_async,
                range: range_of(def),
                name_range: range_of(&def.name),
            },
        );
        let value = self.value(Value::Function(index));
        if let Some(scope) = self.frame().classes.last() {
            let class = scope.index as usize;
            self.classes[class].methods.push(index);
        }
        self.assign_name(&def.name, value, range_of(&def.name));
    }

    fn class_definition(&mut self, def: &'a StmtClassDef) {
        let decorators = def
            .decorator_list
            .iter()
            .map(|it| self.expression(&it.expression))
            .collect();
        let mut bases = Vec::new();
        let mut metaclass = None;
        if let Some(arguments) = &def.arguments {
            for base in &arguments.args {
                bases.push(self.expression(base));
            }
            for keyword in &arguments.keywords {
                let value = self.expression(&keyword.value);
                if keyword.arg.as_ref().is_some_and(|it| it == "metaclass") {
                    metaclass = Some(value);
                }
            }
        }
        let index = u32::try_from(self.classes.len()).unwrap_or(0);
        let name = self.name(&def.name);
        let (owner, outer) = {
            let frame = self.frame();
            (frame.index, frame.classes.last().map(|scope| scope.index))
        };
        self.classes.push(Class {
            name,
            owner,
            outer,
            bases,
            metaclass,
            decorators,
            attributes: Vec::new(),
            methods: Vec::new(),
            documented: super::directive::documented(&def.body),
            range: range_of(def),
            name_range: range_of(&def.name),
        });
        self.frame().classes.push(ClassScope {
            index,
            names: FxHashMap::default(),
        });
        self.suite(&def.body);
        self.frame().classes.pop();
        let value = self.value(Value::Class(index));
        self.assign_name(&def.name, value, range_of(&def.name));
    }

    fn import(&mut self, import: &'a StmtImport) {
        for alias in &import.names {
            let range = range_of(alias);
            match &alias.asname {
                Some(bound) => {
                    let module = self.name(&alias.name);
                    let value = self.plain(Value::Module(module));
                    self.assign_name(bound, value, range);
                }
                None => {
                    let first = alias.name.split('.').next().unwrap_or_default();
                    let module = self.name(first);
                    let value = self.plain(Value::Module(module));
                    self.assign_name(first, value, range);
                }
            }
        }
    }

    fn import_from(&mut self, import: &'a StmtImportFrom) {
        let dots = ".".repeat(import.level as usize);
        let module = import.module.as_ref().map_or("", |it| it.as_str());
        let module = crate::source::name::Name::new(&format!("{dots}{module}"));
        for alias in &import.names {
            if alias.name.as_str() == "*" {
                self.stars.push(module);
                continue;
            }
            let name = self.name(&alias.name);
            let value = self.plain(Value::Imported { module, name });
            self.assign_name(
                alias.asname.as_ref().unwrap_or(&alias.name),
                value,
                range_of(alias),
            );
        }
    }

    /// Binds a name in the scope that is being walked.
    pub(super) fn assign_name(&mut self, text: &'a str, value: ValueId, range: Range) {
        let name = self.name(text);
        let at_module = self.frames.len() == 1;
        let frame = self.frame();
        if !frame.names.globals.contains(text)
            && let Some(scope) = frame.classes.last_mut()
        {
            let class = scope.index as usize;
            scope.names.insert(text, value);
            self.classes[class].attributes.push((name, value));
            return;
        }
        if at_module || frame.names.globals.contains(text) {
            self.bind_global(name, value);
            if self.module_values.contains(text) {
                self.write_variable(Variable::Global(name), value, range);
            }
            return;
        }
        if frame.names.nonlocals.contains(text) {
            self.write_variable(Variable::Cell(name), value, range);
            return;
        }
        let slot = frame.slot(text);
        let shared = frame.names.used_inside.contains(text);
        let rebound = frame.names.rebound_inside.contains(text);
        if frame.flow.env.len() <= slot {
            frame.flow.env.resize(slot + 1, ValueId::UNKNOWN);
        }
        frame.flow.env[slot] = value;
        if matches!(
            frame.code.values[value.0 as usize],
            Value::Container { .. } | Value::Call(_)
        ) {
            frame.code.local_names.push((value, name));
        }
        if shared {
            self.bind_cell(name, value);
        }
        if rebound {
            self.write_variable(Variable::Cell(name), value, range);
        }
    }

    fn write_variable(&mut self, variable: Variable, value: ValueId, range: Range) {
        let update = self.depends_on_variable(value, variable, 0);
        self.op(
            OpKind::WriteVariable {
                variable,
                value,
                update: update.map_or(Update::Replace, Update::From),
            },
            range,
        );
    }

    /// Binds whatever the target is.
    pub(super) fn assign(&mut self, target: &'a Expr, value: ValueId, range: Range) {
        match target {
            Expr::Name(name) => self.assign_name(&name.id, value, range),
            Expr::Attribute(it) => {
                let base = self.expression(&it.value);
                let name = self.name(&it.attr);
                let update = self
                    .depends_on_attribute(value, base, name, 0)
                    .map_or(Update::Replace, Update::From);
                self.op(
                    OpKind::Write {
                        base,
                        name,
                        value,
                        update,
                    },
                    range,
                );
            }
            Expr::Subscript(it) => {
                let base = self.expression(&it.value);
                let key = self.expression(&it.slice);
                let update = self
                    .depends_on_item(value, base, key, 0)
                    .map_or(Update::Replace, Update::From);
                self.op(
                    OpKind::ItemWrite {
                        base,
                        key,
                        value,
                        update,
                        slice: it.slice.is_slice_expr(),
                    },
                    range,
                );
            }
            Expr::Tuple(it) => self.unpack(&it.elts, value, range),
            Expr::List(it) => self.unpack(&it.elts, value, range),
            Expr::Starred(it) => self.assign(&it.value, value, range),
            _ => {
                self.expression(target);
            }
        }
    }

    fn unpack(&mut self, targets: &'a [Expr], value: ValueId, range: Range) {
        // A tuple of known elements is taken apart; anything else yields "an element".
        let known = match self.get(value) {
            Value::Container { elements, .. } => {
                let frame = &self.frames[self.frames.len() - 1];
                let list = frame.code.list(*elements).to_vec();
                (list.len() == targets.len()
                    && !targets.iter().any(Expr::is_starred_expr)
                    && !list
                        .iter()
                        .any(|&it| matches!(self.get(it), Value::Element(_))))
                .then_some(list)
            }
            _ => None,
        };
        if let Some(list) = known {
            for (target, value) in targets.iter().zip(list) {
                self.assign(target, value, range);
            }
            return;
        }
        let element = if value == ValueId::UNKNOWN {
            value
        } else {
            self.value(Value::Element(value))
        };
        for target in targets {
            self.assign(target, element, range);
        }
    }

    fn delete(&mut self, target: &'a Expr) {
        let range = range_of(target);
        match target {
            Expr::Attribute(it) => {
                let base = self.expression(&it.value);
                let name = self.name(&it.attr);
                self.op(OpKind::Delete { base, name }, range);
            }
            Expr::Subscript(it) => {
                let base = self.expression(&it.value);
                let key = self.expression(&it.slice);
                let slice = it.slice.is_slice_expr();
                self.op(OpKind::ItemDelete { base, key, slice }, range);
            }
            Expr::Name(name) => {
                if self.frames.len() > 1
                    && let Some(variable @ Variable::Global(_)) = self.variable_named(&name.id)
                {
                    self.op(OpKind::DeleteVariable { variable }, range);
                }
                let frame = self.frame();
                if let Some(&slot) = frame.slots.get(name.id.as_str())
                    && let Some(value) = frame.flow.env.get_mut(slot)
                {
                    *value = ValueId::UNKNOWN;
                }
            }
            Expr::Tuple(it) => it.elts.iter().for_each(|it| self.delete(it)),
            Expr::List(it) => it.elts.iter().for_each(|it| self.delete(it)),
            _ => {}
        }
    }

    fn augmented(&mut self, target: &'a Expr, value: &'a Expr, range: Range) {
        match target {
            Expr::Name(name) => {
                let old = self.load_name(&name.id, range_of(target), Look::Use);
                let by = self.expression(value);
                let text: &'a str = &name.id;
                let variable = self.variable_named(text);
                let list = self.list(&[old, by]);
                let is_container = |it: ValueId| matches!(self.get(it), Value::Container { .. });
                let new = if variable.is_none() && (is_container(old) || is_container(by)) {
                    // The list stays the same object and gets the elements of the other one.
                    self.value(Value::Join(list))
                } else {
                    self.value(Value::Combined(list))
                };
                let interned = self.name(text);
                match variable {
                    Some(variable) => {
                        if let Variable::Global(_) = variable {
                            self.bind_global(interned, new);
                        } else if !self.frame().names.nonlocals.contains(text) {
                            // The function that owns the cell goes on with the new value.
                            let frame = self.frame();
                            let slot = frame.slot(text);
                            if frame.flow.env.len() <= slot {
                                frame.flow.env.resize(slot + 1, ValueId::UNKNOWN);
                            }
                            frame.flow.env[slot] = new;
                        }
                        self.op(
                            OpKind::WriteVariable {
                                variable,
                                value: new,
                                update: Update::Augmented,
                            },
                            range,
                        );
                    }
                    None => {
                        self.op(
                            OpKind::Extend {
                                base: old,
                                value: by,
                            },
                            range,
                        );
                        self.assign_name(text, new, range);
                    }
                }
            }
            Expr::Attribute(it) => {
                let base = self.expression(&it.value);
                let name = self.name(&it.attr);
                let op = self.op(
                    OpKind::Read {
                        base,
                        name,
                        look: Look::Use,
                    },
                    range_of(target),
                );
                let old = self.value(Value::Attribute { base, name, op });
                let by = self.expression(value);
                let list = self.list(&[old, by]);
                let value = self.value(Value::Combined(list));
                self.op(
                    OpKind::Write {
                        base,
                        name,
                        value,
                        update: Update::Augmented,
                    },
                    range,
                );
            }
            Expr::Subscript(it) => {
                let base = self.expression(&it.value);
                let key = self.expression(&it.slice);
                let op = self.op(OpKind::ItemRead { base, key }, range_of(target));
                let old = self.value(Value::Item { base, key, op });
                let by = self.expression(value);
                let list = self.list(&[old, by]);
                let value = self.value(Value::Combined(list));
                self.op(
                    OpKind::ItemWrite {
                        base,
                        key,
                        value,
                        update: Update::Augmented,
                        slice: it.slice.is_slice_expr(),
                    },
                    range,
                );
            }
            _ => {
                self.expression(value);
            }
        }
    }

    /// Gives the names a loop rebinds a value that also stands for later rounds; returns where
    /// the values at the end of a round must be added.
    fn open_loop(&mut self, body: &'a [Stmt], target: Option<&'a Expr>) -> Vec<(usize, ValueId)> {
        let mut names: FxHashSet<&'a str> = Names::bound_in(body);
        if let Some(target) = target {
            collect_targets(target, &mut names);
        }
        let mut open = Vec::new();
        for text in names {
            let frame = self.frame();
            let Some(&slot) = frame.slots.get(text) else {
                continue;
            };
            let before = frame.flow.env.get(slot).copied().unwrap_or_default();
            if before == ValueId::UNKNOWN {
                continue;
            }
            open.push((slot, before));
        }
        open.sort_unstable();
        for (slot, value) in &mut open {
            let list = self.list(&[*value, ValueId::UNKNOWN]);
            let joined = self.value(Value::Join(list));
            self.frame().flow.env[*slot] = joined;
            *value = joined;
        }
        let taken_before = self.frame().flow.taken.iter().map(|it| it.region).collect();
        let releases = self.released_texts(body);
        let frame = self.frame();
        frame.loops.push(LoopFrame {
            breaks: Vec::new(),
            taken_before,
            with_depth: frame.with_regions.len(),
            finally_depth: frame.finally_releases.len(),
            releases,
        });
        frame.loop_depth += 1;
        open
    }

    fn close_loop(&mut self, open: &[(usize, ValueId)], end: Range) -> Vec<Flow<'a>> {
        self.end_of_iteration(end);
        let frame = self.frame();
        for &(slot, joined) in open {
            let last = frame.flow.env.get(slot).copied().unwrap_or_default();
            if let Value::Join(list) = frame.code.values[joined.0 as usize]
                && last != joined
            {
                frame.code.lists[list.start as usize + 1] = last;
            }
        }
        frame.loop_depth -= 1;
        frame.loops.pop().map(|it| it.breaks).unwrap_or_default()
    }

    fn for_loop(&mut self, it: &'a StmtFor) {
        let iterated = self.expression(&it.iter);
        let before = self.frame().flow.clone();
        let open = self.open_loop(&it.body, Some(&it.target));
        self.op(OpKind::Iterate { base: iterated }, range_of(&*it.iter));
        let element = self.value(Value::Element(iterated));
        let target_range = range_of(&*it.target);
        match &*it.target {
            Expr::Tuple(targets) if yields_pairs(&it.iter) => {
                for target in &targets.elts {
                    self.assign(target, element, target_range);
                }
            }
            target => self.assign(target, element, target_range),
        }
        self.suite(&it.body);
        let breaks = self.close_loop(&open, range_of(&*it.target));
        let after = self.frame().flow.clone();
        let joined = self.join(before, after);
        self.frame().flow = joined;
        self.suite(&it.orelse);
        self.join_breaks(breaks);
    }

    fn while_loop(&mut self, it: &'a StmtWhile) {
        let before = self.frame().flow.clone();
        let open = self.open_loop(&it.body, None);
        let first = self.next_op();
        let condition = self.test(&it.test);
        let outside = self.frame().control;
        let inside = self.control_since(first);
        self.frame().control = inside;
        self.assume(&condition, true);
        self.suite(&it.body);
        self.frame().control = outside;
        let breaks = self.close_loop(&open, range_of(&*it.test));
        let after = self.frame().flow.clone();
        let mut joined = self.join(before, after);
        let forever = matches!(&*it.test, Expr::BooleanLiteral(literal) if literal.value)
            || matches!(&*it.test, Expr::NumberLiteral(_));
        joined.alive &= !forever;
        self.frame().flow = joined;
        self.assume(&condition, false);
        self.suite(&it.orelse);
        self.join_breaks(breaks);
    }

    fn join_breaks(&mut self, breaks: Vec<Flow<'a>>) {
        for flow in breaks {
            let current = self.frame().flow.clone();
            let joined = self.join(current, flow);
            self.frame().flow = joined;
        }
    }

    fn if_statement(&mut self, it: &'a StmtIf) {
        if is_main_guard(&it.test) && self.frames.len() == 1 {
            self.is_script = true;
        }
        self.if_chain(&it.test, &it.body, &it.elif_else_clauses);
    }

    fn if_chain(&mut self, test: &'a Expr, body: &'a [Stmt], rest: &'a [ElifElseClause]) {
        match asks_for_version(test) {
            Some(true) => return self.suite(body),
            Some(false) => {
                return match rest {
                    [] => {}
                    [clause, others @ ..] => match &clause.test {
                        Some(test) => self.if_chain(test, &clause.body, others),
                        None => self.suite(&clause.body),
                    },
                };
            }
            None => {}
        }
        let first = self.next_op();
        let condition = self.test(test);
        let outside = self.frame().control;
        let inside = self.control_since(first);
        let before = self.frame().flow.clone();
        self.frame().control = inside;
        self.assume(&condition, true);
        self.frame().branches += 1;
        self.suite(body);
        self.frame().branches -= 1;
        let then = std::mem::replace(&mut self.frame().flow, before);
        self.assume(&condition, false);
        self.frame().control = inside;
        self.frame().branches += 1;
        match rest {
            [] => {}
            [clause, others @ ..] => match &clause.test {
                Some(test) => self.if_chain(test, &clause.body, others),
                None => self.suite(&clause.body),
            },
        }
        self.frame().branches -= 1;
        let otherwise = self.frame().flow.clone();
        let (then_alive, otherwise_alive) = (then.alive, otherwise.alive);
        let joined = self.join(then, otherwise);
        self.frame().flow = joined;
        self.frame().control = if then_alive == otherwise_alive {
            outside
        } else {
            inside
        };
    }

    fn with_statement(&mut self, it: &'a StmtWith) {
        let mut entered = Vec::new();
        let regions_before = self.frame().regions;
        for item in &it.items {
            let context = self.expression(&item.context_expr);
            let range = range_of(&item.context_expr);
            let region = self.hold(context);
            self.op(
                OpKind::Enter {
                    context,
                    region,
                    is_async: it.is_async,
                },
                range,
            );
            entered.push((context, region, range));
            if let Some(target) = &item.optional_vars {
                let value = self.value(Value::Entered(context));
                self.assign(target, value, range);
            }
        }
        let outer = self.frame().with_spelled.len();
        for item in &it.items {
            let spelled = self.source(range_of(&item.context_expr));
            self.frame().with_spelled.push(spelled);
        }
        self.frame().with_regions.push(regions_before);
        let handled = u32::from(
            it.items
                .iter()
                .any(|it| suppresses_absence(&it.context_expr)),
        );
        self.frame().absence_handled += handled;
        self.statements(&it.body);
        self.frame().absence_handled -= handled;
        self.frame().with_regions.pop();
        self.frame().with_spelled.truncate(outer);
        for (context, region, range) in entered.into_iter().rev() {
            self.op(OpKind::Exit { context, region }, range);
        }
        self.give_back(regions_before);
    }

    /// Whatever was taken by `with` or an exit stack from a region on is given back.
    fn give_back(&mut self, from: u32) {
        let taken: Vec<u32> = self.frame().flow.taken.iter().map(|it| it.region).collect();
        self.keep_held(|held| held.region < from || taken.contains(&held.region));
    }

    /// Adds a lock to those held and returns its region.
    pub(super) fn hold(&mut self, lock: ValueId) -> u32 {
        let frame = self.frame();
        let region = frame.regions;
        frame.regions += 1;
        let mut set = frame.held.sets[frame.flow.held as usize].clone();
        set.push(Held { lock, region });
        frame.flow.held = frame.held.intern(set);
        region
    }

    pub(super) fn keep_held(&mut self, keep: impl Fn(&Held) -> bool) {
        let frame = self.frame();
        let set: Vec<_> = frame.held.sets[frame.flow.held as usize]
            .iter()
            .copied()
            .filter(keep)
            .collect();
        frame.flow.held = frame.held.intern(set);
    }

    fn match_statement(&mut self, it: &'a StmtMatch) {
        let first = self.next_op();
        let subject = self.expression(&it.subject);
        let outside = self.frame().control;
        let inside = self.control_since(first);
        let before = self.frame().flow.clone();
        let mut joined: Option<Flow<'a>> = None;
        let mut exhaustive = false;
        for case in &it.cases {
            self.frame().flow = before.clone();
            self.frame().control = inside;
            self.pattern(&case.pattern, subject);
            if let Some(guard) = &case.guard {
                let first = self.next_op();
                let condition = self.test(guard);
                self.frame().control = self.control_since(first);
                self.assume(&condition, true);
            } else if case.pattern.is_irrefutable() {
                exhaustive = true;
            }
            self.suite(&case.body);
            let flow = self.frame().flow.clone();
            joined = Some(match joined {
                Some(other) => self.join(other, flow),
                None => flow,
            });
        }
        let mut after = joined.unwrap_or_else(|| before.clone());
        if !exhaustive {
            after = self.join(after, before);
        }
        self.frame().flow = after;
        self.frame().control = outside;
    }

    fn pattern(&mut self, pattern: &'a Pattern, subject: ValueId) {
        let range = range_of(pattern);
        match pattern {
            Pattern::MatchValue(it) => {
                self.expression(&it.value);
            }
            Pattern::MatchSequence(it) => {
                for pattern in &it.patterns {
                    let element = self.value(Value::Element(subject));
                    self.pattern(pattern, element);
                }
            }
            Pattern::MatchMapping(it) => {
                for pattern in &it.patterns {
                    self.pattern(pattern, ValueId::UNKNOWN);
                }
                if let Some(rest) = &it.rest {
                    self.assign_name(rest, ValueId::UNKNOWN, range);
                }
            }
            Pattern::MatchClass(it) => {
                for pattern in &it.arguments.patterns {
                    self.pattern(pattern, ValueId::UNKNOWN);
                }
                for keyword in &it.arguments.keywords {
                    self.pattern(&keyword.pattern, ValueId::UNKNOWN);
                }
            }
            Pattern::MatchStar(it) => {
                if let Some(name) = &it.name {
                    self.assign_name(name, ValueId::UNKNOWN, range);
                }
            }
            Pattern::MatchAs(it) => {
                if let Some(pattern) = &it.pattern {
                    self.pattern(pattern, subject);
                }
                if let Some(name) = &it.name {
                    self.assign_name(name, subject, range);
                }
            }
            Pattern::MatchOr(it) => {
                for pattern in &it.patterns {
                    self.pattern(pattern, subject);
                }
            }
            Pattern::MatchSingleton(_) => {}
        }
    }

    fn try_statement(&mut self, it: &'a StmtTry) {
        let releases = self.released_texts(&it.finalbody);
        let outer_releases = self.frame().finally_releases.len();
        self.frame().finally_releases.extend(&releases);

        let before = self.frame().flow.clone();
        let first_op = self.next_op();
        let handled = u32::from(it.handlers.iter().any(expects_absence));
        self.frame().absence_handled += handled;
        self.suite(&it.body);
        self.frame().absence_handled -= handled;
        let body_end = self.frame().flow.clone();
        let after_body = self.next_op();
        self.suite(&it.orelse);
        let mut joined = self.frame().flow.clone();
        let after_try_alive = joined.alive;

        // An exception may come from anywhere in the body: certainly held in a handler is what
        // was held before the body and is not released in it. A lock whose release is the last
        // thing the body does may be still taken; an earlier release is believed to have run.
        let mut caught = before.clone();
        caught.alive = true;
        let released_inside: Vec<ValueId> = {
            let ops = &self.frame().code.ops[first_op as usize..after_body as usize];
            ops.iter()
                .filter_map(|op| match op.kind {
                    OpKind::Release { lock } => Some(lock),
                    _ => None,
                })
                .collect()
        };
        let last_is_release = it
            .body
            .last()
            .is_some_and(|last| released_spelling(last).is_some());
        if !released_inside.is_empty() {
            let set = self.frame().held.sets[caught.held as usize].clone();
            let kept = set
                .into_iter()
                .filter(|held| !released_inside.iter().any(|&it| self.same(it, held.lock)))
                .collect();
            caught.held = self.frame().held.intern(kept);
            // A release alone in its `try` raises when the lock is not taken after all.
            if !last_is_release || released_inside.len() > 1 || it.body.len() == 1 {
                let taken = std::mem::take(&mut caught.taken);
                caught.taken = taken
                    .into_iter()
                    .filter(|taken| !released_inside.iter().any(|&it| self.same(it, taken.lock)))
                    .collect();
            }
        }
        let slots = caught.env.len().max(body_end.env.len());
        for slot in 0..slots {
            let a = caught.env.get(slot).copied().unwrap_or_default();
            let b = body_end.env.get(slot).copied().unwrap_or_default();
            let value = self.join_values(a, b);
            if caught.env.len() <= slot {
                caught.env.push(value);
            } else {
                caught.env[slot] = value;
            }
        }

        let outside = self.frame().control;
        let mut absent = outside;
        for handler in &it.handlers {
            let ExceptHandler::ExceptHandler(handler) = handler;
            self.frame().flow = caught.clone();
            self.frame().control = outside;
            if let Some(kind) = &handler.type_ {
                self.expression(kind);
                if says_absent(kind) {
                    absent = self.control_by(first_op, after_body, true);
                    self.frame().control = absent;
                }
            }
            if let Some(name) = &handler.name {
                self.assign_name(name, ValueId::UNKNOWN, range_of(name));
            }
            self.suite(&handler.body);
            let flow = self.frame().flow.clone();
            joined = self.join(joined, flow);
        }
        // Where the body leaves, what follows runs because something was absent.
        self.frame().control = if after_try_alive { outside } else { absent };
        self.frame().finally_releases.truncate(outer_releases);
        if it.finalbody.is_empty() {
            self.frame().flow = joined;
            return;
        }
        let alive = joined.alive;
        let mut flow = if alive { joined } else { caught };
        flow.alive = true;
        self.frame().flow = flow;
        self.suite(&it.finalbody);
        self.frame().flow.alive &= alive;
    }

    /// How the source spells the locks that some statements release.
    fn released_texts(&mut self, body: &'a [Stmt]) -> Vec<&'a str> {
        struct Releases<'a>(Vec<&'a Expr>);
        impl<'a> ruff_python_ast::visitor::Visitor<'a> for Releases<'a> {
            fn visit_expr(&mut self, expr: &'a Expr) {
                if let Expr::Call(call) = expr
                    && let Expr::Attribute(it) = &*call.func
                    && it.attr.as_str() == "release"
                {
                    self.0.push(&it.value);
                }
                ruff_python_ast::visitor::walk_expr(self, expr);
            }
        }
        if body.is_empty() {
            return Vec::new();
        }
        let mut found = Releases(Vec::new());
        ruff_python_ast::visitor::Visitor::visit_body(&mut found, body);
        found
            .0
            .into_iter()
            .map(|lock| self.source(range_of(lock)))
            .collect()
    }

    /// Takes the locks that the outcome of a condition says are taken, and forgets those it says
    /// are not.
    pub(super) fn assume(&mut self, condition: &Condition<'a>, outcome: bool) {
        let (taken, not_taken) = if outcome {
            (&condition.when_true, &condition.when_false)
        } else {
            (&condition.when_false, &condition.when_true)
        };
        for attempt in not_taken {
            self.frame()
                .flow
                .taken
                .retain(|it| it.region != attempt.region);
        }
        for attempt in taken {
            self.acquired(attempt);
        }
    }
}

impl Default for ValueId {
    fn default() -> Self {
        Self::UNKNOWN
    }
}

fn collect_targets<'a>(target: &'a Expr, names: &mut FxHashSet<&'a str>) {
    match target {
        Expr::Name(name) => {
            names.insert(&name.id);
        }
        Expr::Tuple(it) => it.elts.iter().for_each(|it| collect_targets(it, names)),
        Expr::List(it) => it.elts.iter().for_each(|it| collect_targets(it, names)),
        Expr::Starred(it) => collect_targets(&it.value, names),
        _ => {}
    }
}

fn released_spelling(statement: &Stmt) -> Option<&Expr> {
    let Stmt::Expr(it) = statement else {
        return None;
    };
    let Expr::Call(call) = &*it.value else {
        return None;
    };
    let Expr::Attribute(callee) = &*call.func else {
        return None;
    };
    (callee.attr.as_str() == "release").then_some(&*callee.value)
}

/// The oldest version of Python that has a free-threaded build: older ones are no targets.
const OLDEST: [u8; 2] = [3, 13];

/// What a test of `sys.version_info` says on all targets, if it says the same on all.
fn asks_for_version(test: &Expr) -> Option<bool> {
    if let Expr::BoolOp(it) = test {
        // One false part settles an `and`, one true part an `or`.
        let settles = it.op == BoolOp::Or;
        let mut parts = it.values.iter().map(asks_for_version);
        return parts.find(|it| *it == Some(settles)).flatten();
    }
    let Expr::Compare(compare) = test else {
        return None;
    };
    let ([op], [right]) = (&*compare.ops, &*compare.comparators) else {
        return None;
    };
    let asked = match &*compare.left {
        Expr::Subscript(it) => &*it.value,
        other => other,
    };
    let is_version = match asked {
        Expr::Attribute(it) => it.attr.as_str() == "version_info",
        Expr::Name(it) => it.id.as_str() == "version_info",
        _ => false,
    };
    let number = |it: &Expr| match it {
        Expr::NumberLiteral(it) => it.value.as_int().and_then(|it| it.as_u8()),
        _ => None,
    };
    let version: Vec<u8> = match right {
        Expr::Tuple(it) => it.elts.iter().map(number).collect::<Option<_>>()?,
        other => vec![number(other)?],
    };
    if !is_version || version.is_empty() {
        return None;
    }
    // Where the versions asked about are all older than the oldest target, the answer is known.
    let known = version.iter().take(2).lt(&OLDEST[..version.len().min(2)])
        || matches!(op, CmpOp::GtE | CmpOp::Lt) && version.as_slice() <= &OLDEST[..];
    match op {
        CmpOp::Gt | CmpOp::GtE if known => Some(true),
        CmpOp::Lt | CmpOp::LtE if known => Some(false),
        _ => None,
    }
}

/// Exceptions that tell of the absence of an element or attribute.
const ABSENCE: [&str; 4] = ["KeyError", "IndexError", "LookupError", "AttributeError"];

/// Whether an `except` clause catches the absence of an element or attribute.
fn says_absent(kind: &Expr) -> bool {
    names_one_of(kind, &ABSENCE)
}

/// Whether a handler is there for an element that is absent: it names such an exception, or it
/// passes over everything.
fn expects_absence(handler: &ExceptHandler) -> bool {
    let ExceptHandler::ExceptHandler(handler) = handler;
    let passes = || {
        handler
            .body
            .iter()
            .all(|it| matches!(it, Stmt::Pass(_) | Stmt::Continue(_)))
    };
    match handler.type_.as_deref() {
        Some(kind) => {
            says_absent(kind)
                || names_one_of(kind, &["ValueError"])
                || names_one_of(kind, &["Exception"]) && passes()
        }
        None => passes(),
    }
}

/// Whether the context of a `with` statement is `contextlib.suppress` of such an exception.
fn suppresses_absence(context: &Expr) -> bool {
    let Expr::Call(call) = context else {
        return false;
    };
    let is_suppress = match &*call.func {
        Expr::Name(name) => name.id.as_str() == "suppress",
        Expr::Attribute(it) => it.attr.as_str() == "suppress",
        _ => false,
    };
    let absent = |it: &Expr| says_absent(it) || names_one_of(it, &["ValueError", "Exception"]);
    is_suppress && call.arguments.args.iter().any(absent)
}

/// Whether an exception, or one of a tuple of them, has one of these names.
fn names_one_of(kind: &Expr, names: &[&str]) -> bool {
    match kind {
        Expr::Name(it) => names.contains(&it.id.as_str()),
        Expr::Tuple(kinds) => kinds.elts.iter().any(|it| names_one_of(it, names)),
        _ => false,
    }
}

fn is_main_guard(test: &Expr) -> bool {
    let Expr::Compare(compare) = test else {
        return false;
    };
    let is_name = |it: &Expr| matches!(it, Expr::Name(name) if name.id.as_str() == "__name__");
    let is_main =
        |it: &Expr| matches!(it, Expr::StringLiteral(text) if text.value.to_str() == "__main__");
    let Some(right) = compare.comparators.first() else {
        return false;
    };
    (is_name(&compare.left) && is_main(right)) || (is_main(&compare.left) && is_name(right))
}
