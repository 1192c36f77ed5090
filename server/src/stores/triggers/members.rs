//! The names of members in a document of triggers: those of the services' models, at every level.

use engine::services::{Service, Shape};
use serde_json::{Map, Value};

use super::TriggerError;

/// What an item of a list is: the parameters of an operation, and perhaps a member of another one.
pub(super) struct Form<'m> {
    pub(super) model: &'m Service,
    pub(super) operation: &'static str,
    pub(super) also: Option<(&'static str, &'static str)>,
}

impl Form<'_> {
    /// Finds the first name that nothing reads: it is a slip of the pen.
    pub(super) fn check(&self, place: &str, item: &Map<String, Value>) -> Result<(), TriggerError> {
        let members = self.members();
        for (name, value) in item {
            let place = format!("{place}.{name}");
            let Some((_, shape)) = members.iter().find(|(known, _)| *known == name) else {
                return Err(unknown(place, members.iter().map(|(name, _)| *name)));
            };
            below(self.model, *shape, &place, value)?;
        }
        Ok(())
    }

    /// Names and shapes, in the model's order.
    fn members(&self) -> Vec<(&str, usize)> {
        let of = |operation: &str| {
            let input = self.model.operations.get(operation).and_then(|operation| operation.input);
            let members = input.and_then(|input| self.model.structure(input)).map(|input| &input.members);
            members.into_iter().flatten().map(|(name, member)| (name.as_str(), member.shape()))
        };
        let also = self.also.into_iter();
        let also =
            also.flat_map(|(operation, wanted)| of(operation).filter(move |(name, _)| *name == wanted));
        of(self.operation).chain(also).collect()
    }
}

fn below(model: &Service, shape: usize, place: &str, value: &Value) -> Result<(), TriggerError> {
    match (model.shape(shape), value) {
        (Some(Shape::Structure(structure)), Value::Object(fields)) => {
            fields.iter().try_for_each(|(name, value)| {
                let place = format!("{place}.{name}");
                match structure.members.get(name) {
                    Some(member) => below(model, member.shape(), &place, value),
                    None => Err(unknown(place, structure.members.keys().map(String::as_str))),
                }
            })
        }
        (Some(Shape::List { list, .. }), Value::Array(items)) => (0..)
            .zip(items)
            .try_for_each(|(at, item): (usize, _)| below(model, list.item, &format!("{place}[{at}]"), item)),
        (Some(Shape::Map(map)), Value::Object(entries)) => entries
            .iter()
            .try_for_each(|(key, value)| below(model, map.value, &format!("{place}.{key}"), value)),
        // What is of another type is found by the operation.
        _ => Ok(()),
    }
}

fn unknown<'n>(place: String, known: impl Iterator<Item = &'n str>) -> TriggerError {
    let known: Vec<&str> = known.collect();
    TriggerError {
        place,
        problem: format!("there is no such member: there are {}", known.join(", ")),
        is_partly_put: false,
    }
}
