//! Definitions and imports: functions, classes and modules, and the names they are bound to.

use ruff_python_ast::{StmtClassDef, StmtFunctionDef, StmtImport, StmtImportFrom};
use rustc_hash::FxHashMap;

use crate::facts::body::{Body, ClassScope, Definition, Walker, range_of};
use crate::facts::directive::leaves_threads_to_callers;
use crate::facts::{Class, Value};

impl<'a> Walker<'a> {
    pub(super) fn function_definition(&mut self, def: &'a StmtFunctionDef) {
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
                left_to_callers: leaves_threads_to_callers(self.text, def),
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

    pub(super) fn class_definition(&mut self, def: &'a StmtClassDef) {
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
            documented: crate::facts::directive::documented(&def.body),
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

    pub(super) fn import(&mut self, import: &'a StmtImport) {
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

    pub(super) fn import_from(&mut self, import: &'a StmtImportFrom) {
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
}
