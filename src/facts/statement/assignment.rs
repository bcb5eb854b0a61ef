//! Assignment: binding, deleting and augmented updates of names, attributes and items.

use ruff_python_ast::Expr;

use crate::facts::body::{Walker, range_of};
use crate::facts::{Look, OpKind, Update, Value, ValueId, Variable};
use crate::source::span::Range;

impl<'a> Walker<'a> {
    /// Binds a name in the scope that is being walked.
    pub(in crate::facts) fn assign_name(&mut self, text: &'a str, value: ValueId, range: Range) {
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
        self.frame().given.insert(variable, value);
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
    pub(in crate::facts) fn assign(&mut self, target: &'a Expr, value: ValueId, range: Range) {
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

    pub(super) fn delete(&mut self, target: &'a Expr) {
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

    pub(super) fn augmented(&mut self, target: &'a Expr, value: &'a Expr, range: Range) {
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
}
