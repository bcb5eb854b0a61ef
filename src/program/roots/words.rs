//! Words: how a place or an object is called in findings.

use super::Finder;
use crate::program::effect::{Place, Slot};
use crate::program::evaluate::made_value;
use crate::program::link::Home;
use crate::program::object::{Object, ObjectId, Origin};
use crate::source::name::Name;

impl Finder<'_> {
    pub(super) fn object_words(&mut self, object: ObjectId) -> Name {
        self.place_words(Place {
            object,
            slot: Slot::Contents,
        })
    }

    /// A place in words: `Counter.total`, `cache`, `worker.out`.
    pub(super) fn place_words(&mut self, place: Place) -> Name {
        if let Some(&known) = self.words.get(&place) {
            return known;
        }
        let words = match place.slot {
            // One function is the object of many files.
            Slot::File(name) if self.is_of_parameter(place) => name.to_string(),
            Slot::Field(name) | Slot::ContentsOf(name) | Slot::File(name) => {
                match self.owner_words(place.object) {
                    Some(owner) => format!("{owner}.{name}"),
                    None => name.as_str().to_owned(),
                }
            }
            Slot::Contents | Slot::State(_) => self.described(place.object),
        };
        let words = Name::new(&words);
        self.words.insert(place, words);
        words
    }

    fn owner_words(&mut self, object: ObjectId) -> Option<String> {
        match self.summaries.eval.arena.get(object) {
            Object::Instance(class, _) | Object::Class(class) => {
                Some(self.links.class(*class).name.to_string())
            }
            Object::Function(id, _) => Some(self.links.function(*id).name.to_string()),
            _ => None,
        }
    }

    fn described(&mut self, object: ObjectId) -> String {
        let eval = &self.summaries.eval;
        match eval.arena.get(object).clone() {
            Object::NamedLock(owner, name) => match owner.and_then(|it| self.owner_words(it)) {
                Some(owner) => format!("{owner}.{name}"),
                None => name.to_string(),
            },
            Object::Instance(class, _) | Object::Class(class) => {
                self.links.class(class).name.to_string()
            }
            Object::Container(_, origin) | Object::Foreign(_, origin) => {
                self.made_under_name(object, origin)
            }
            Object::Module(module) => self.links.module_name(module),
            _ => "object".to_owned(),
        }
    }

    /// The variable or attribute to which the expression that makes an object is assigned.
    fn made_under_name(&mut self, object: ObjectId, origin: Origin) -> String {
        let class = match self.summaries.eval.arena.get(object) {
            Object::Foreign(name, _) => name
                .as_str()
                .rsplit('.')
                .next()
                .unwrap_or_default()
                .to_owned(),
            _ => "container".to_owned(),
        };
        let Origin::Site { frame, value, .. } = origin else {
            return class;
        };
        let id = self.summaries.eval.arena.frame_of(frame).function;
        if id.module == u32::MAX {
            return class;
        }
        let function = self.links.function(id);
        let value = made_value(function, value);
        match self.links.home(id, value) {
            Some(Home::Attribute(class, name) | Home::Class(class, name)) => {
                return format!("{}.{name}", self.links.class(class).name);
            }
            Some(Home::Global(_, name)) => return name.to_string(),
            Some(Home::Local(..)) | None => {}
        }
        let facts = self.links.module(id.module);
        for (name, assigned) in facts.globals.iter() {
            if assigned.contains(&(id.index, value)) {
                return name.to_string();
            }
        }
        for class in &facts.classes {
            if class.owner != id.index {
                continue;
            }
            for &(name, assigned) in &class.attributes {
                if assigned == value {
                    return format!("{}.{name}", class.name);
                }
            }
        }
        if let Some(name) = function.local_name(value) {
            return name.to_string();
        }
        class
    }
}
