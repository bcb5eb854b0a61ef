//! Expressions to values, with the ops they cause.

use ruff_python_ast::{
    BoolOp, CmpOp, Comprehension, Expr, ExprCall, InterpolatedStringElement, UnaryOp,
};

use super::body::{Attempt, Body, Definition, Walker, range_of};
use super::held::Taken;
use super::{Call, Constant, Literal, Look, OpKind, ShapeKind, Value, ValueId, Variable, WayOut};
use crate::source::name::Name;
use crate::source::span::Range;

/// How deep the search for "computed from" goes.
const DEPENDENCY_DEPTH: u32 = 8;

/// What some ask of `sys` that no `sys` has.
const NO_SUCH_TEST: &str = "_is_free_threaded";

/// What the outcome of a test says about attempts to take locks.
#[derive(Default)]
pub(super) struct Condition<'a> {
    pub when_true: Vec<Attempt<'a>>,
    pub when_false: Vec<Attempt<'a>>,
}

impl<'a> Walker<'a> {
    /// Walks an expression whose value is used.
    pub(super) fn expression(&mut self, expression: &'a Expr) -> ValueId {
        self.look(expression, Look::Use)
    }

    /// Walks an expression that decides a branch.
    pub(super) fn test(&mut self, expression: &'a Expr) -> Condition<'a> {
        match expression {
            Expr::UnaryOp(it) if it.op == UnaryOp::Not => {
                let inner = self.test(&it.operand);
                Condition {
                    when_true: inner.when_false,
                    when_false: inner.when_true,
                }
            }
            Expr::BoolOp(it) => {
                let mut condition = Condition::default();
                let outside = self.frame().control;
                let first = self.next_op();
                for value in &it.values {
                    let one = self.test(value);
                    match it.op {
                        BoolOp::And => condition.when_true.extend(one.when_true),
                        BoolOp::Or => condition.when_false.extend(one.when_false),
                    }
                    self.frame().control = outside;
                    self.frame().control = self.control_since(first);
                }
                self.frame().control = outside;
                condition
            }
            _ => {
                let value = self.look(expression, Look::Truth);
                if !expression.is_compare_expr() {
                    self.truth_of(value, range_of(expression));
                }
                match self.attempt_in(value, 0) {
                    Some(attempt) => Condition {
                        when_true: vec![attempt],
                        when_false: Vec::new(),
                    },
                    None => Condition::default(),
                }
            }
        }
    }

    /// A local variable is tested: what was loaded into it is what the test asks about, or what the
    /// methods said from which it was computed (`free = not lock.locked()`).
    fn recall(&mut self, value: ValueId, look: Look, range: Range) {
        let loads = match *self.get(value) {
            Value::Attribute { op, .. } | Value::Item { op, .. } => vec![op],
            Value::Call(index) => Vec::from_iter(self.answering_call(index)),
            Value::Combined(parts) => {
                let code = &self.frames[self.frames.len() - 1].code;
                let parts = code.list(parts).iter();
                parts.filter_map(|&it| self.telling_call(it)).collect()
            }
            _ => Vec::new(),
        };
        for load in loads.into_iter().filter(|&it| it != u32::MAX) {
            self.op(OpKind::Recall { load, look }, range);
        }
    }

    /// The op of a call of a method without arguments, which may tell the state of its object.
    fn telling_call(&self, value: ValueId) -> Option<u32> {
        let Value::Call(index) = *self.get(value) else {
            return None;
        };
        let code = &self.frames[self.frames.len() - 1].code;
        let call = &code.calls[index as usize];
        let is_method = matches!(self.get(call.callee), Value::Attribute { .. });
        (is_method && call.arguments.len == 0)
            .then(|| self.op_of_call(index))
            .flatten()
    }

    /// The op of a call `d.get(key)`, or of one that may tell a state.
    fn answering_call(&self, index: u32) -> Option<u32> {
        let result = self.frames[self.frames.len() - 1].code.calls[index as usize].result;
        self.telling_call(result)
            .or_else(|| self.lookup_by_get(index))
    }

    /// The op of a call `d.get(key)`.
    fn lookup_by_get(&self, index: u32) -> Option<u32> {
        let code = &self.frames[self.frames.len() - 1].code;
        let callee = code.calls[index as usize].callee;
        let is_get =
            matches!(self.get(callee), Value::Attribute { name, .. } if name.as_str() == "get");
        self.op_of_call(index).filter(|_| is_get)
    }

    fn op_of_call(&self, index: u32) -> Option<u32> {
        let code = &self.frames[self.frames.len() - 1].code;
        let is_call = |op: &super::Op| op.kind == OpKind::Call(index);
        let found = code.ops.iter().rposition(is_call)?;
        u32::try_from(found).ok()
    }

    fn truth_of(&mut self, base: ValueId, range: Range) {
        let may_be_container = matches!(
            self.get(base),
            Value::Parameter(_)
                | Value::Global(_)
                | Value::Captured(_)
                | Value::Attribute { .. }
                | Value::Item { .. }
                | Value::Element(_)
                | Value::Join(_)
                | Value::Read(_)
                | Value::Imported { .. }
        );
        if may_be_container {
            self.op(OpKind::Truth { base }, range);
        }
    }

    /// The attempt to take a lock whose result a value is.
    fn attempt_in(&self, value: ValueId, depth: u32) -> Option<Attempt<'a>> {
        let frame = &self.frames[self.frames.len() - 1];
        match self.get(value) {
            Value::Call(index) => frame.attempts.get(index).cloned(),
            Value::Join(list) if depth < 3 => {
                // `got = False`, then `got = lock.acquire(...)` on some path.
                let mut found = None;
                for &part in frame.code.list(*list) {
                    match self.get(part) {
                        Value::Constant(Constant::False | Constant::None) | Value::Unknown => {}
                        _ => {
                            if found.is_some() {
                                return None;
                            }
                            found = Some(self.attempt_in(part, depth + 1)?);
                        }
                    }
                }
                found
            }
            _ => None,
        }
    }

    /// The lock of an attempt is taken from here on.
    pub(super) fn acquired(&mut self, attempt: &Attempt<'a>) {
        let frame = self.frame();
        let already = frame.held.sets[frame.flow.held as usize]
            .iter()
            .any(|held| held.region == attempt.region);
        if already {
            return;
        }
        let mut set = frame.held.sets[frame.flow.held as usize].clone();
        set.push(super::Held {
            lock: attempt.lock,
            region: attempt.region,
        });
        frame.flow.held = frame.held.intern(set);
        let taken = Taken {
            lock: attempt.lock,
            text: attempt.text,
            region: attempt.region,
            acquired: attempt.range,
            conditional: frame.branches > 0,
        };
        // Inside `with lock:` an `acquire` takes back what a `release` gave away; `with` releases
        // in the end.
        let with_releases = frame.with_spelled.contains(&attempt.text);
        if attempt.kept && !with_releases && !frame.flow.taken.contains(&taken) {
            frame.flow.taken.push(taken);
        }
        self.op(
            OpKind::Acquire {
                lock: attempt.lock,
                region: attempt.region,
            },
            attempt.range,
        );
    }

    /// The variable a name stands for, when other functions can see it.
    pub(super) fn variable_named(&mut self, text: &'a str) -> Option<Variable> {
        let name = self.name(text);
        let at_module = self.frames.len() == 1;
        let last = self.frames.len() - 1;
        let frame = &self.frames[last];
        if at_module && frame.classes.is_empty() || frame.names.globals.contains(text) {
            return self
                .module_values
                .contains(text)
                .then_some(Variable::Global(name));
        }
        if frame.names.nonlocals.contains(text) || frame.names.rebound_inside.contains(text) {
            return Some(Variable::Cell(name));
        }
        if frame.slots.contains_key(text) || frame.names.bound.contains(text) {
            return None;
        }
        for outer in self.frames[..last].iter().rev() {
            if outer.index == 0 {
                break;
            }
            if outer.names.bound.contains(text) || outer.slots.contains_key(text) {
                return outer
                    .names
                    .rebound_inside
                    .contains(text)
                    .then_some(Variable::Cell(name));
            }
        }
        self.module_values
            .contains(text)
            .then_some(Variable::Global(name))
    }

    /// Loads a name.
    pub(super) fn load_name(&mut self, text: &'a str, range: Range, look: Look) -> ValueId {
        let name = self.name(text);
        let last = self.frames.len() - 1;
        {
            let frame = &self.frames[last];
            for scope in frame.classes.iter().rev().take(1) {
                if let Some(&value) = scope.names.get(text) {
                    return value;
                }
            }
        }
        if let Some(variable) = self.variable_named(text) {
            let op = self.op(OpKind::ReadVariable { variable, look }, range);
            let local = {
                let frame = self.frame();
                frame
                    .slots
                    .get(text)
                    .and_then(|&slot| frame.flow.env.get(slot).copied())
            };
            // The owner of a cell knows what it assigned; others only know the name.
            return match (variable, local) {
                (Variable::Cell(_), Some(value)) if value != ValueId::UNKNOWN => {
                    let read = self.value(Value::Read(op));
                    let list = self.list(&[read, value]);
                    self.value(Value::Join(list))
                }
                _ => self.value(Value::Read(op)),
            };
        }
        let frame = &self.frames[last];
        if let Some(&slot) = frame.slots.get(text)
            && (last > 0 || !frame.names.bound.contains(text))
        {
            return frame.flow.env.get(slot).copied().unwrap_or_default();
        }
        if last > 0 && frame.names.bound.contains(text) && !frame.names.globals.contains(text) {
            return ValueId::UNKNOWN;
        }
        let captured = self.frames[..last]
            .iter()
            .rev()
            .take_while(|outer| outer.index != 0)
            .any(|outer| outer.names.bound.contains(text) || outer.slots.contains_key(text));
        if captured {
            self.plain(Value::Captured(name))
        } else {
            self.plain(Value::Global(name))
        }
    }

    fn look(&mut self, expression: &'a Expr, look: Look) -> ValueId {
        let range = range_of(expression);
        match expression {
            Expr::Name(it) => {
                let first = self.next_op();
                let value = self.load_name(&it.id, range, look);
                if look != Look::Use && first == self.next_op() {
                    self.recall(value, look, range);
                }
                value
            }
            Expr::Attribute(it) => {
                let base = self.expression(&it.value);
                let name = self.name(&it.attr);
                if it.attr.as_str() == NO_SUCH_TEST {
                    self.shape(ShapeKind::NoSuchFreeThreadedTest, range);
                }
                if it.attr.as_str() == "release" {
                    let lock = self.source(range_of(&*it.value));
                    self.frame().handed_on.push(lock);
                }
                self.load_attribute(base, name, range, look)
            }
            Expr::Subscript(it) => {
                let base = self.expression(&it.value);
                let key = self.expression(&it.slice);
                let op = self.op(OpKind::ItemRead { base, key }, range);
                self.value(Value::Item { base, key, op })
            }
            Expr::Call(it) => self.call(it, false),
            Expr::Await(it) => {
                let value = self.expression(&it.value);
                if let Value::Call(index) = *self.get(value) {
                    self.frame().code.calls[index as usize].awaited = true;
                }
                value
            }
            Expr::BoolOp(it) => self.bool_op(it.op, &it.values, look),
            Expr::Compare(it) => self.compare(&it.left, &it.ops, &it.comparators, look, range),
            Expr::Named(it) => {
                let value = self.look(&it.value, look);
                self.assign(&it.target, value, range);
                value
            }
            Expr::If(it) => {
                let first = self.next_op();
                let condition = self.test(&it.test);
                let outside = self.frame().control;
                let held = self.frame().flow.held;
                self.frame().control = self.control_since(first);
                self.assume(&condition, true);
                let a = self.look(&it.body, look);
                self.frame().flow.held = held;
                let b = self.look(&it.orelse, look);
                self.frame().control = outside;
                self.join_values(a, b)
            }
            Expr::Lambda(it) => {
                let name = self.name("<lambda>");
                let index = self.function(
                    name,
                    Definition {
                        parameters: it.parameters.as_deref(),
                        body: Body::Expression(&it.body),
                        decorators: &[],
                        is_async: false,
                        left_to_callers: false,
                        range,
                        name_range: range,
                    },
                );
                self.value(Value::Function(index))
            }
            Expr::BinOp(it) => {
                let left = self.expression(&it.left);
                let right = self.expression(&it.right);
                self.combine(&[left, right])
            }
            Expr::UnaryOp(it) => {
                let value = self.look(&it.operand, look);
                self.combine(&[value])
            }
            Expr::List(it) => self.container(Literal::List, &it.elts),
            Expr::Tuple(it) => self.container(Literal::Tuple, &it.elts),
            Expr::Set(it) => self.container(Literal::Set, &it.elts),
            Expr::Dict(it) => {
                let mut elements = Vec::new();
                for item in &it.items {
                    if let Some(key) = &item.key {
                        self.expression(key);
                        elements.push(self.expression(&item.value));
                    } else {
                        let spread = self.expression(&item.value);
                        elements.push(self.value(Value::Element(spread)));
                    }
                }
                self.make_container(Literal::Dict, &elements)
            }
            Expr::ListComp(it) => self.comprehension(Literal::List, &it.generators, None, &it.elt),
            Expr::SetComp(it) => self.comprehension(Literal::Set, &it.generators, None, &it.elt),
            Expr::DictComp(it) => {
                self.comprehension(Literal::Dict, &it.generators, it.key.as_deref(), &it.value)
            }
            Expr::Generator(it) => {
                self.comprehension(Literal::Generator, &it.generators, None, &it.elt)
            }
            Expr::FString(it) => {
                let elements: Vec<_> = it.value.elements().collect();
                self.interpolated(&elements)
            }
            Expr::TString(it) => {
                let elements: Vec<_> = it.value.elements().collect();
                self.interpolated(&elements)
            }
            Expr::StringLiteral(it) => {
                let text = it.value.to_str();
                let is_name = text.len() <= 40 && !text.contains(' ');
                self.constant(Constant::Text(is_name.then(|| Name::new(text))))
            }
            Expr::BytesLiteral(_) => self.constant(Constant::Text(None)),
            Expr::NumberLiteral(it) => {
                let one = matches!(&it.value, ruff_python_ast::Number::Int(int) if *int == 1);
                self.constant(if one { Constant::One } else { Constant::Number })
            }
            Expr::BooleanLiteral(it) => self.constant(if it.value {
                Constant::True
            } else {
                Constant::False
            }),
            Expr::NoneLiteral(_) => self.constant(Constant::None),
            Expr::EllipsisLiteral(_) => self.constant(Constant::Number),
            Expr::Yield(it) => {
                let value = match &it.value {
                    Some(value) => self.expression(value),
                    None => self.constant(Constant::None),
                };
                self.op(OpKind::Yield { value }, range);
                self.may_raise(range, WayOut::Thrown);
                ValueId::UNKNOWN
            }
            Expr::YieldFrom(it) => {
                let inner = self.expression(&it.value);
                self.op(OpKind::Iterate { base: inner }, range);
                let value = self.value(Value::Element(inner));
                self.op(OpKind::Yield { value }, range);
                ValueId::UNKNOWN
            }
            Expr::Starred(it) => {
                let value = self.expression(&it.value);
                self.value(Value::Element(value))
            }
            Expr::Slice(it) => {
                for bound in it.lower.iter().chain(&it.upper).chain(&it.step) {
                    self.expression(bound);
                }
                ValueId::UNKNOWN
            }
            Expr::IpyEscapeCommand(_) => ValueId::UNKNOWN,
        }
    }

    fn load_attribute(&mut self, base: ValueId, name: Name, range: Range, look: Look) -> ValueId {
        // Attributes of modules, classes by name and constants are looked up, not raced on,
        // unless the program finds a store; what cannot be an object needs no op.
        let op = match self.get(base) {
            Value::Unknown | Value::Constant(_) | Value::Combined(_) => {
                return ValueId::UNKNOWN;
            }
            Value::Container { .. } | Value::Super => u32::MAX,
            _ => self.op(OpKind::Read { base, name, look }, range),
        };
        self.value(Value::Attribute { base, name, op })
    }

    fn combine(&mut self, parts: &[ValueId]) -> ValueId {
        let mut known: Vec<_> = parts
            .iter()
            .copied()
            .filter(|&it| it != ValueId::UNKNOWN && !matches!(self.get(it), Value::Constant(_)))
            .collect();
        known.dedup();
        if known.is_empty() {
            return self.constant(Constant::Number);
        }
        let list = self.list(&known);
        self.value(Value::Combined(list))
    }

    fn interpolated(&mut self, elements: &[&'a InterpolatedStringElement]) -> ValueId {
        let mut parts = Vec::new();
        for element in elements {
            if let InterpolatedStringElement::Interpolation(it) = element {
                parts.push(self.expression(&it.expression));
                if let Some(spec) = &it.format_spec {
                    let nested: Vec<_> = spec.elements.iter().collect();
                    self.interpolated(&nested);
                }
            }
        }
        self.combine(&parts)
    }

    fn bool_op(&mut self, op: BoolOp, values: &'a [Expr], look: Look) -> ValueId {
        let outside = self.frame().control;
        let first = self.next_op();
        let held = self.frame().flow.held;
        let mut joined = ValueId::UNKNOWN;
        for (index, value) in values.iter().enumerate() {
            let last = index + 1 == values.len();
            let result = if last {
                self.look(value, look)
            } else {
                let result = self.look(value, Look::Truth);
                self.truth_of(result, range_of(value));
                if op == BoolOp::And
                    && let Some(attempt) = self.attempt_in(result, 0)
                {
                    self.acquired(&attempt);
                }
                result
            };
            joined = self.join_values(joined, result);
            self.frame().control = outside;
            self.frame().control = self.control_since(first);
        }
        self.frame().control = outside;
        self.frame().flow.held = held;
        joined
    }

    fn compare(
        &mut self,
        left: &'a Expr,
        ops: &[CmpOp],
        comparators: &'a [Expr],
        look: Look,
        range: Range,
    ) -> ValueId {
        let with_none = matches!(ops, [CmpOp::Is | CmpOp::IsNot | CmpOp::Eq | CmpOp::NotEq])
            && comparators.first().is_some_and(Expr::is_none_literal_expr);
        let inner = match look {
            _ if with_none => Look::IsNone,
            Look::Truth => Look::Compare,
            _ => Look::Use,
        };
        let mut parts = vec![self.look(left, inner)];
        let mut before = parts[0];
        let orders = |op: &CmpOp| matches!(op, CmpOp::Lt | CmpOp::LtE | CmpOp::Gt | CmpOp::GtE);
        self.frame().function.orders |= ops.iter().any(orders);
        for (op, comparator) in ops.iter().zip(comparators) {
            let value = self.look(comparator, inner);
            if matches!(op, CmpOp::In | CmpOp::NotIn) {
                if names_no_such_test(left) && comparator.is_call_expr() {
                    self.shape(ShapeKind::NoSuchFreeThreadedTest, range);
                }
                let (base, key) = (value, before);
                self.op(OpKind::Contains { base, key }, range);
            } else {
                parts.push(value);
            }
            before = value;
        }
        if comparators.iter().any(Expr::is_string_literal_expr) && self.is_build_flag(parts[0]) {
            self.shape(ShapeKind::BuildFlagComparedWithText, range);
        }
        self.combine(&parts)
    }

    /// Whether a value is `sysconfig.get_config_var("Py_GIL_DISABLED")`.
    fn is_build_flag(&self, value: ValueId) -> bool {
        let Value::Call(index) = self.get(value) else {
            return false;
        };
        let frame = &self.frames[self.frames.len() - 1];
        let call = &frame.code.calls[*index as usize];
        frame.code.list(call.arguments).iter().any(|&argument| {
            matches!(
                self.get(argument),
                Value::Constant(Constant::Text(Some(text))) if text.as_str() == "Py_GIL_DISABLED"
            )
        })
    }

    fn container(&mut self, literal: Literal, elements: &'a [Expr]) -> ValueId {
        let elements: Vec<_> = elements.iter().map(|it| self.expression(it)).collect();
        self.make_container(literal, &elements)
    }

    fn make_container(&mut self, literal: Literal, elements: &[ValueId]) -> ValueId {
        let many = self.frame().loop_depth > 0;
        let elements = self.list(elements);
        self.value(Value::Container {
            literal,
            elements,
            many,
        })
    }

    fn comprehension(
        &mut self,
        literal: Literal,
        generators: &'a [Comprehension],
        key: Option<&'a Expr>,
        element: &'a Expr,
    ) -> ValueId {
        let outside = self.frame().control;
        let outer_many = self.frame().loop_depth > 0;
        let mut shadowed = Vec::new();
        let mut walked = None;
        for generator in generators {
            let iterated = self.expression(&generator.iter);
            // Of a generator expression, what it walks first is computed where it stands.
            let walked_from = self.next_op();
            walked.get_or_insert(walked_from);
            self.frame().loop_depth += 1;
            self.op(
                OpKind::Iterate { base: iterated },
                range_of(&generator.iter),
            );
            let value = self.value(Value::Element(iterated));
            self.bind_target(
                &generator.target,
                value,
                yields_pairs(&generator.iter),
                &mut shadowed,
            );
            for test in &generator.ifs {
                let first = self.next_op();
                let condition = self.test(test);
                self.frame().control = self.control_since(first);
                self.assume(&condition, true);
            }
        }
        if let Some(key) = key {
            self.expression(key);
        }
        let element = self.expression(element);
        let frame = self.frame();
        frame.loop_depth -= u32::try_from(generators.len()).unwrap_or(0);
        frame.control = outside;
        for (slot, value) in shadowed.into_iter().rev() {
            self.restore(slot, value);
        }
        let elements = self.list(&[element]);
        let made = self.value(Value::Container {
            literal,
            elements,
            many: outer_many,
        });
        if let (Literal::Generator, Some(first)) = (literal, walked) {
            let end = self.next_op();
            self.frame().generators.push((made, first..end));
        }
        made
    }

    /// Binds comprehension targets, which shadow variables of the function until the end.
    fn bind_target(
        &mut self,
        target: &'a Expr,
        value: ValueId,
        pairs: bool,
        shadowed: &mut Vec<(&'a str, Option<ValueId>)>,
    ) {
        match target {
            Expr::Name(name) => {
                let text: &'a str = &name.id;
                let frame = self.frame();
                let before = frame
                    .slots
                    .get(text)
                    .map(|&slot| frame.flow.env.get(slot).copied().unwrap_or_default());
                let slot = frame.slot(text);
                if frame.flow.env.len() <= slot {
                    frame.flow.env.resize(slot + 1, ValueId::UNKNOWN);
                }
                frame.flow.env[slot] = value;
                shadowed.push((text, before));
                let interned = self.name(text);
                self.bind_cell(interned, value);
            }
            Expr::Tuple(it) => {
                let element = self.element_of(value, pairs);
                for target in &it.elts {
                    self.bind_target(target, element, false, shadowed);
                }
            }
            Expr::List(it) => {
                let element = self.element_of(value, pairs);
                for target in &it.elts {
                    self.bind_target(target, element, false, shadowed);
                }
            }
            Expr::Starred(it) => self.bind_target(&it.value, value, pairs, shadowed),
            _ => self.assign(target, value, range_of(target)),
        }
    }

    /// What the targets of an unpacked value are bound to. Pairs of a key, an index or another
    /// list's element with what is iterated are not told apart from the element itself.
    pub(super) fn element_of(&mut self, value: ValueId, pairs: bool) -> ValueId {
        if pairs || value == ValueId::UNKNOWN {
            value
        } else {
            self.value(Value::Element(value))
        }
    }

    fn restore(&mut self, text: &'a str, before: Option<ValueId>) {
        let frame = self.frame();
        match before {
            Some(value) => {
                if let Some(&slot) = frame.slots.get(text)
                    && let Some(place) = frame.flow.env.get_mut(slot)
                {
                    *place = value;
                }
            }
            None => {
                // The name is not the function's: later loads look further out again.
                frame.slots.remove(text);
            }
        }
    }

    /// Walks a call.
    pub(super) fn call(&mut self, call: &'a ExprCall, statement: bool) -> ValueId {
        let range = range_of(call);
        let mut receiver = None;
        let callee = match &*call.func {
            Expr::Attribute(it) => {
                let base = self.expression(&it.value);
                receiver = Some((base, &*it.value, it.attr.as_str()));
                let name = self.name(&it.attr);
                if it.attr.as_str() == NO_SUCH_TEST {
                    self.shape(ShapeKind::NoSuchFreeThreadedTest, range);
                }
                self.value(Value::Attribute {
                    base,
                    name,
                    op: u32::MAX,
                })
            }
            Expr::Name(it) if it.id.as_str() == "super" && call.arguments.args.len() != 1 => {
                return self.plain(Value::Super);
            }
            other => self.expression(other),
        };
        let name = match self.get(callee) {
            Value::Global(name) | Value::Attribute { name, .. } => name.as_str(),
            _ => "",
        };
        if matches!(name, "sorted" | "sort" | "min" | "max" | "id") {
            self.frame().function.orders = true;
        }
        if let Expr::Name(it) = &*call.func
            && matches!(it.id.as_str(), "getattr" | "hasattr")
            && !self.is_asked_next(range)
            && call.arguments.args.get(1).is_some_and(names_no_such_test)
        {
            self.shape(ShapeKind::NoSuchFreeThreadedTest, range);
        }
        let arguments: Vec<_> = call
            .arguments
            .args
            .iter()
            .map(|it| self.expression(it))
            .collect();
        let starred = call
            .arguments
            .args
            .last()
            .is_some_and(Expr::is_starred_expr);
        let mut keywords = Vec::new();
        for keyword in &call.arguments.keywords {
            // `f(**{"name": value})` is `f(name=value)`.
            if keyword.arg.is_none()
                && let Expr::Dict(dict) = &keyword.value
            {
                for item in &dict.items {
                    let key = item.key.as_ref().map(|it| (it, self.expression(it)));
                    let value = self.expression(&item.value);
                    if let Some((Expr::StringLiteral(name), _)) = key {
                        keywords.push((Name::new(name.value.to_str()), value));
                    }
                }
                continue;
            }
            let value = self.expression(&keyword.value);
            if let Some(name) = &keyword.arg {
                keywords.push((self.name(name), value));
            }
        }
        let arguments = self.list(&arguments);
        let frame = self.frame();
        let index = u32::try_from(frame.code.calls.len()).unwrap_or(0);
        let many = frame.loop_depth > 0;
        let caught = frame.attended.iter().any(|it| it.catches);
        let turn = frame.turn();
        let in_turn = receiver.is_some_and(|(base, ..)| frame.is_made_in_turn(base));
        frame.turns.push(turn);
        frame.code.calls.push(Call {
            callee,
            result: ValueId::UNKNOWN,
            arguments,
            keywords,
            starred,
            statement,
            awaited: false,
            many,
            caught,
            in_turn,
        });
        self.op(OpKind::Call(index), range);
        // A lock that is held is released without fail.
        if receiver.is_none_or(|(.., method)| !matches!(method, "acquire" | "release")) {
            self.may_raise(range, WayOut::Call(index));
        }
        let result = self.value(Value::Call(index));
        self.frame().code.calls[index as usize].result = result;
        if let Some((base, spelled, method)) = receiver {
            match method {
                "acquire" => self.acquire_call(call, index, base, spelled, range, statement),
                "release" if call.arguments.is_empty() => {
                    self.release_call(base, spelled, range);
                }
                "enter_context" | "enter_async_context" => {
                    if let Some(&context) = self.frame_list(arguments).first() {
                        let region = self.hold(context);
                        let is_async = method != "enter_context";
                        self.op(
                            OpKind::Enter {
                                context,
                                region,
                                is_async,
                            },
                            range,
                        );
                    }
                }
                _ => {}
            }
        }
        result
    }

    /// Whether what stands here is the guard of the missing test itself, on the same line:
    /// `hasattr(sys, name) and sys.name()` is one test.
    fn is_asked_next(&self, guard: Range) -> bool {
        let rest = self.text.get(guard.end as usize..).unwrap_or_default();
        let next = rest.trim_start().strip_prefix("and ");
        next.and_then(|it| it.lines().next())
            .is_some_and(|line| line.contains(NO_SUCH_TEST))
    }

    fn frame_list(&self, list: super::List) -> Vec<ValueId> {
        let frame = &self.frames[self.frames.len() - 1];
        frame.code.list(list).to_vec()
    }

    fn acquire_call(
        &mut self,
        call: &'a ExprCall,
        index: u32,
        lock: ValueId,
        spelled: &'a Expr,
        range: Range,
        statement: bool,
    ) {
        let is_true = |it: &Expr| matches!(it, Expr::BooleanLiteral(literal) if literal.value);
        let arguments = &call.arguments;
        let blocking = arguments.args.first().is_none_or(is_true)
            && arguments.args.len() < 2
            && arguments.keywords.iter().all(|keyword| {
                keyword.arg.as_ref().is_some_and(|it| it == "blocking") && is_true(&keyword.value)
            });
        let frame = self.frame();
        let region = frame.regions;
        frame.regions += 1;
        let text = self.source(range_of(spelled));
        let attempt = Attempt {
            lock,
            text,
            region,
            range,
            kept: statement || !blocking,
        };
        if blocking {
            self.acquired(&attempt);
        }
        self.frame().attempts.insert(index, attempt);
    }

    fn release_call(&mut self, lock: ValueId, spelled: &'a Expr, range: Range) {
        self.op(OpKind::Release { lock }, range);
        let text = self.source(range_of(spelled));
        let set = {
            let frame = self.frame();
            let conditional = frame.branches > 0;
            *frame.released.entry(text).or_insert(true) &= conditional;
            frame.flow.taken.retain(|taken| taken.text != text);
            frame.held.sets[frame.flow.held as usize].clone()
        };
        let kept: Vec<_> = set
            .into_iter()
            .filter(|held| !self.same(held.lock, lock))
            .collect();
        let frame = self.frame();
        frame.flow.held = frame.held.intern(kept);
    }

    /// A type annotation as a value that names a class; its ops do not count.
    pub(super) fn annotation(&mut self, annotation: Option<&'a Expr>) -> ValueId {
        match annotation {
            Some(Expr::Name(it)) => {
                let name = self.name(&it.id);
                self.plain(Value::Global(name))
            }
            Some(Expr::Attribute(it)) => {
                let base = self.annotation(Some(&it.value));
                if base == ValueId::UNKNOWN {
                    return base;
                }
                let name = self.name(&it.attr);
                self.value(Value::Attribute {
                    base,
                    name,
                    op: u32::MAX,
                })
            }
            Some(Expr::StringLiteral(it)) => {
                let text = it.value.to_str();
                let is_name = !text.is_empty()
                    && text.chars().all(|it| it.is_alphanumeric() || it == '_')
                    && !text.starts_with(|it: char| it.is_ascii_digit());
                if is_name {
                    self.plain(Value::Global(Name::new(text)))
                } else {
                    ValueId::UNKNOWN
                }
            }
            Some(Expr::Subscript(it)) => match &*it.value {
                Expr::Name(name) if name.id.as_str() == "Optional" => {
                    self.annotation(Some(&it.slice))
                }
                _ => ValueId::UNKNOWN,
            },
            Some(Expr::BinOp(it)) if it.right.is_none_literal_expr() => {
                self.annotation(Some(&it.left))
            }
            _ => ValueId::UNKNOWN,
        }
    }

    /// The op that loaded `base.name`, if `value` is computed from it.
    pub(super) fn depends_on_attribute(
        &self,
        value: ValueId,
        base: ValueId,
        name: Name,
        depth: u32,
    ) -> Option<u32> {
        self.depends(value, depth, &|walker, value| match value {
            Value::Attribute {
                base: other,
                name: attribute,
                op,
            } if *attribute == name && *op != u32::MAX && walker.same(*other, base) => Some(*op),
            _ => None,
        })
    }

    /// The op that loaded the variable, if `value` is computed from it.
    pub(super) fn depends_on_variable(
        &self,
        value: ValueId,
        variable: Variable,
        depth: u32,
    ) -> Option<u32> {
        self.depends(value, depth, &|walker, value| match value {
            Value::Read(op) if walker.variable_of(*op) == Some(variable) => Some(*op),
            _ => None,
        })
    }

    /// The op that loaded `base[key]`, if `value` is computed from it.
    pub(super) fn depends_on_item(
        &self,
        value: ValueId,
        base: ValueId,
        key: ValueId,
        depth: u32,
    ) -> Option<u32> {
        self.depends(value, depth, &|walker, value| match value {
            Value::Item {
                base: other,
                key: other_key,
                op,
            } if walker.same(*other, base) && walker.same(*other_key, key) => Some(*op),
            Value::Call(index) => {
                // `d.get(k)` loads `d[k]` as well.
                let code = &walker.frames[walker.frames.len() - 1].code;
                let call = &code.calls[*index as usize];
                let Value::Attribute { base: other, .. } = *walker.get(call.callee) else {
                    return None;
                };
                let first = code.list(call.arguments).first().copied()?;
                if !walker.same(other, base) || !walker.same(first, key) {
                    return None;
                }
                walker.lookup_by_get(*index)
            }
            _ => None,
        })
    }

    fn depends(
        &self,
        value: ValueId,
        depth: u32,
        found: &dyn Fn(&Self, &Value) -> Option<u32>,
    ) -> Option<u32> {
        if depth > DEPENDENCY_DEPTH {
            return None;
        }
        let this = self.get(value);
        if let Some(op) = found(self, this) {
            return Some(op);
        }
        let frame = &self.frames[self.frames.len() - 1];
        let parts: Vec<ValueId> = match this {
            Value::Combined(list) | Value::Join(list) => frame.code.list(*list).to_vec(),
            Value::Container { elements, .. } => frame.code.list(*elements).to_vec(),
            Value::Element(inner) => vec![*inner],
            Value::Call(index) => {
                let call = &frame.code.calls[*index as usize];
                frame.code.list(call.arguments).to_vec()
            }
            _ => Vec::new(),
        };
        parts
            .into_iter()
            .find_map(|part| self.depends(part, depth + 1, found))
    }
}

/// Whether an expression spells the name of a test that exists nowhere: `hasattr(sys, "...")`,
/// `"..." in dir(sys)`.
fn names_no_such_test(expression: &Expr) -> bool {
    matches!(expression, Expr::StringLiteral(it) if it.value.to_str() == NO_SUCH_TEST)
}

/// Whether iteration over an expression yields tuples in which an element comes with its key,
/// index or counterpart.
pub(super) fn yields_pairs(iterated: &Expr) -> bool {
    let Expr::Call(call) = iterated else {
        return false;
    };
    match &*call.func {
        Expr::Attribute(it) => matches!(it.attr.as_str(), "items" | "iteritems"),
        Expr::Name(it) => matches!(it.id.as_str(), "enumerate" | "zip"),
        _ => false,
    }
}
