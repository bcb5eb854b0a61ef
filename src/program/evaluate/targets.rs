//! Targets: what a call may run.

use std::rc::Rc;

use super::{CALL_ORIGIN, Evaluator, Target};
use crate::facts::Call;
use crate::program::object::{ClassId, FrameId, MAX_DEPTH, Object, ObjectId, Origin, SetId};
use crate::source::name::Name;

impl Evaluator<'_> {
    /// What a call may run, in the frame that calls.
    pub fn targets(&mut self, frame: FrameId, index: u32) -> Rc<[Target]> {
        if let Some(known) = self.targets.get(&(frame, index)) {
            return Rc::clone(known);
        }
        self.targets.insert((frame, index), Rc::from([]));
        let links = self.links;
        let function = links.function(self.arena.frame_of(frame).function);
        let call = &function.calls[index as usize];
        let callees = self.value(frame, call.callee);
        let mut targets = Vec::new();
        for callee in self.arena.members(callees).to_vec() {
            self.targets_of(callee, &[], frame, index, call, &mut targets, 0);
        }
        let targets: Rc<[Target]> = targets.into();
        self.targets.insert((frame, index), Rc::clone(&targets));
        targets
    }

    #[allow(clippy::too_many_arguments)]
    fn targets_of(
        &mut self,
        callee: ObjectId,
        before: &[SetId],
        frame: FrameId,
        index: u32,
        call: &Call,
        targets: &mut Vec<Target>,
        depth: u32,
    ) {
        if depth > 4 {
            return;
        }
        match self.arena.get(callee).clone() {
            Object::Function(id, environment) => {
                let callee = self.bind_call(id, environment, before, frame, call);
                targets.push(Target::Function(callee));
            }
            Object::Bound(receiver, function) => {
                let mut with_receiver = vec![self.arena.only(receiver)];
                with_receiver.extend_from_slice(before);
                self.targets_of(
                    function,
                    &with_receiver,
                    frame,
                    index,
                    call,
                    targets,
                    depth + 1,
                );
            }
            Object::Class(class) => {
                let object = self.constructed(class, frame, index, call.many);
                let init = self.method_of(class, Name::new("__init__"));
                let init = init.map(|init| {
                    let receiver = self.arena.only(object);
                    self.bind_call(init, FrameId::NONE, &[receiver], frame, call)
                });
                targets.push(Target::Construct(class, object, init));
            }
            Object::External(name) => targets.push(Target::External(name)),
            Object::Method(receiver, name) => targets.push(Target::Method(receiver, name)),
            Object::Instance(class, _) => {
                if let Some(method) = self.method_of(class, Name::new("__call__")) {
                    let receiver = self.arena.only(callee);
                    let callee = self.bind_call(method, FrameId::NONE, &[receiver], frame, call);
                    targets.push(Target::Function(callee));
                }
            }
            Object::Partial(maker, made_by) => {
                let links = self.links;
                let function = links.function(self.arena.frame_of(maker).function);
                let partial = &function.calls[made_by as usize];
                let Some((&wrapped, given)) = function.list(partial.arguments).split_first() else {
                    return;
                };
                let mut all: Vec<SetId> = Vec::new();
                for &argument in given {
                    all.push(self.value(maker, argument));
                }
                all.extend_from_slice(before);
                let wrapped = self.value(maker, wrapped);
                for wrapped in self.arena.members(wrapped).to_vec() {
                    self.targets_of(wrapped, &all, frame, index, call, targets, depth + 1);
                }
            }
            _ => {}
        }
    }

    pub(super) fn constructed(
        &mut self,
        class: ClassId,
        frame: FrameId,
        index: u32,
        many: bool,
    ) -> ObjectId {
        let origin = if self.arena.frame_depth(frame) >= MAX_DEPTH {
            Origin::Assumed { shared: false }
        } else {
            Origin::Site {
                frame,
                value: index | CALL_ORIGIN,
                many,
            }
        };
        self.arena.object(Object::Instance(class, origin))
    }
}
