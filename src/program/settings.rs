//! Settings: what a module says, somewhere in its code, that decides which threads a library runs:
//! `app.conf.worker_pool = "threads"`, `Parallel(backend="threading")`, `client.loop_start()`.

use rustc_hash::FxHashMap;

use crate::facts::{Constant, Function, ModuleFacts, OpKind, Value, ValueId, Variable};
use crate::models::Models;
use crate::source::name::Name;

/// The settings that models ask for, by the name that stands in the code.
#[derive(Debug, Default)]
pub struct Settings {
    /// By key: values, with the whole setting.
    keys: FxHashMap<Name, Vec<(Name, Name)>>,
    /// Calls, by name, with the whole setting.
    calls: FxHashMap<Name, Name>,
    /// Strings that are settings by themselves.
    texts: Vec<Name>,
}

impl Settings {
    /// The settings of models.
    pub fn new(models: &Models) -> Self {
        let mut settings = Self::default();
        for text in models.settings() {
            let whole = Name::new(text);
            if text.starts_with('-') {
                settings.texts.push(whole);
            } else if let Some((key, value)) = text.split_once('=') {
                let values = settings.keys.entry(Name::new(key)).or_default();
                values.push((Name::new(value), whole));
            } else if let Some(call) = text.strip_suffix("()") {
                settings.calls.insert(Name::new(call), whole);
            }
        }
        settings
    }

    /// Those that a module makes, sorted.
    pub fn made_in(&self, facts: &ModuleFacts) -> Vec<Name> {
        let mut found = Vec::new();
        for function in &facts.functions {
            for op in &function.ops {
                if let OpKind::Write { name, value, .. }
                | OpKind::WriteVariable {
                    variable: Variable::Global(name),
                    value,
                    ..
                } = op.kind
                {
                    self.given(function, name, value, &mut found);
                }
            }
            for call in &function.calls {
                for &(name, value) in &call.keywords {
                    self.given(function, name, value, &mut found);
                }
                if let Value::Attribute { name, .. } | Value::Global(name) =
                    function.value(call.callee)
                {
                    found.extend(self.calls.get(name));
                }
            }
            found.extend(function.values.iter().filter_map(|value| match value {
                Value::Constant(Constant::Text(Some(text))) if self.texts.contains(text) => {
                    Some(*text)
                }
                _ => None,
            }));
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    fn given(&self, function: &Function, key: Name, value: ValueId, found: &mut Vec<Name>) {
        let Some(values) = self.keys.get(&key) else {
            return;
        };
        let given = match *function.value(value) {
            Value::Constant(Constant::Text(Some(text))) => text.as_str(),
            Value::Constant(Constant::True) => "True",
            _ => return,
        };
        let mut values = values.iter();
        found.extend(
            values.find_map(|(wanted, whole)| (wanted.as_str() == given).then_some(*whole)),
        );
    }
}
