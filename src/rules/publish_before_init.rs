//! The check behind `rules/publish-before-init.md`; read that page first.

use super::{may_run_beside_others, one_a_site};
use crate::program::Program;
use crate::program::conflicts::Defect;
use crate::program::effect::Action;
use crate::rule::{Reporter, Rule, Text, describe};

/// See the page.
pub struct PublishBeforeInit;

impl Rule for PublishBeforeInit {
    fn name(&self) -> &'static str {
        "publish-before-init"
    }

    fn check(&self, program: &Program, report: &mut Reporter<'_>) {
        let wanted = program
            .conflicts()
            .iter()
            .filter(|conflict| conflict.defect == Defect::PublishedBeforeInit)
            // Those are for `thread-started-in-init`.
            .filter(|conflict| program.start_in_constructor(conflict).is_none());
        for conflict in wanted {
            let primary = program.record(conflict.primary);
            let place = conflict.place;
            report.conflict(
                conflict,
                Text {
                    message: format!("`{place}` is set after another thread can already see the object"),
                    label: describe(primary),
                    consequence: "the other thread finds the attribute missing or half built".to_owned(),
                    advice: "finish the object first, then hand it to the thread or store it where others look".to_owned(),
                },
            );
        }
        let imports = one_a_site(program, |record| {
            record.action == Action::HalfImported && may_run_beside_others(program.root_of(record))
        });
        for record in imports {
            report.record(
                record,
                Text {
                    message: "a module found in `sys.modules` may still be importing".to_owned(),
                    label: "taken without waiting for its import".to_owned(),
                    consequence: "the thread sees the module without the names that its body has \
                                  yet to define"
                        .to_owned(),
                    advice:
                        "call `importlib.import_module` each time: it waits, and is quick once \
                             the module is there"
                            .to_owned(),
                },
                "sys.modules".to_owned(),
                Vec::new(),
                &[],
            );
        }
    }
}
