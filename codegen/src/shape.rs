//! What a value looks like, as far as the schemas of the types say: enough to
//! know whether an expression yields an array (JSONata treats arrays apart) and
//! whether it may be null. Unknown is always a safe answer.

use std::collections::BTreeMap;

use serde_json::Value;

/// How deep a schema is followed; recursive types end as unknown here.
const DEPTH_MAX: u32 = 24;

/// The form of a JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) kind: Kind,
    /// Whether the value may be null.
    pub(crate) nullable: bool,
}

/// Kinds of values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The schema does not say.
    Unknown,
    /// A number, a boolean, null, or one of a fixed list of constants.
    Scalar,
    /// A text.
    Text,
    /// An object, as far as its members are known.
    Object(BTreeMap<String, Member>),
    /// An array; `bounded` when its length has an upper limit.
    Array { element: Box<Shape>, bounded: bool },
    /// An array of fixed length whose elements differ.
    Tuple(Vec<Shape>),
}

/// A member of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) shape: Shape,
    pub(crate) required: bool,
}

impl Shape {
    pub(crate) const UNKNOWN: Shape = Shape { kind: Kind::Unknown, nullable: true };
    pub(crate) const SCALAR: Shape = Shape { kind: Kind::Scalar, nullable: false };
    pub(crate) const TEXT: Shape = Shape { kind: Kind::Text, nullable: false };

    /// An array of any length.
    pub(crate) fn array_of(element: Shape) -> Shape {
        Shape { kind: Kind::Array { element: Box::new(element), bounded: false }, nullable: false }
    }

    /// An array of these elements.
    pub(crate) fn tuple_of(elements: impl IntoIterator<Item = Shape>) -> Shape {
        Shape { kind: Kind::Tuple(elements.into_iter().collect()), nullable: false }
    }

    /// Whether the value is an array: `None` when nobody knows.
    pub(crate) fn is_array(&self) -> Option<bool> {
        match self.kind {
            Kind::Unknown => None,
            Kind::Array { .. } | Kind::Tuple(_) => Some(true),
            Kind::Scalar | Kind::Text | Kind::Object(_) => Some(false),
        }
    }

    /// Whether `in` and `=` compare the value as JSON would.
    pub(crate) fn is_scalar(&self) -> bool {
        matches!(self.kind, Kind::Scalar | Kind::Text)
    }

    /// The elements' shape.
    pub(crate) fn element(&self) -> Shape {
        match &self.kind {
            Kind::Array { element, .. } => (**element).clone(),
            Kind::Tuple(elements) => join(elements.iter().cloned()),
            _ => Shape::UNKNOWN,
        }
    }

    /// The shape of one element.
    pub(crate) fn element_at(&self, index: usize) -> Shape {
        match &self.kind {
            Kind::Tuple(elements) => elements.get(index).cloned().unwrap_or(Shape::UNKNOWN),
            _ => self.element(),
        }
    }

    /// A member, when the shape knows it.
    pub(crate) fn member(&self, name: &str) -> Option<&Member> {
        match &self.kind {
            Kind::Object(members) => members.get(name),
            _ => None,
        }
    }

    /// The same value, known not to be null.
    pub(crate) fn not_null(mut self) -> Shape {
        self.nullable = false;
        self
    }

    /// Reads a complete schema document with its `$defs`.
    pub(crate) fn of_schema(document: &Value) -> Shape {
        read(document, document, DEPTH_MAX)
    }

    /// The shape of a constant.
    pub(crate) fn of_value(value: &Value) -> Shape {
        match value {
            Value::Null => Shape { kind: Kind::Scalar, nullable: true },
            Value::Bool(_) | Value::Number(_) => Shape::SCALAR,
            Value::String(_) => Shape { kind: Kind::Text, nullable: false },
            Value::Array(elements) => Shape::tuple_of(elements.iter().map(Shape::of_value)),
            Value::Object(members) => {
                let members = members
                    .iter()
                    .map(|(name, value)| {
                        (name.clone(), Member { shape: Shape::of_value(value), required: true })
                    })
                    .collect();
                Shape { kind: Kind::Object(members), nullable: false }
            }
        }
    }
}

/// What holds for each of several shapes.
pub(crate) fn join(shapes: impl IntoIterator<Item = Shape>) -> Shape {
    shapes.into_iter().reduce(join_two).unwrap_or(Shape::UNKNOWN)
}

fn join_two(left: Shape, right: Shape) -> Shape {
    let nullable = left.nullable || right.nullable;
    let kind = match (left.kind, right.kind) {
        (Kind::Text, Kind::Text | Kind::Scalar) | (Kind::Scalar, Kind::Text) => Kind::Text,
        (Kind::Scalar, Kind::Scalar) => Kind::Scalar,
        (Kind::Array { element: a, bounded: x }, Kind::Array { element: b, bounded: y }) => {
            Kind::Array { element: Box::new(join_two(*a, *b)), bounded: x && y }
        }
        (Kind::Tuple(a), Kind::Tuple(b)) if a.len() == b.len() => {
            Kind::Tuple(a.into_iter().zip(b).map(|(a, b)| join_two(a, b)).collect())
        }
        (Kind::Tuple(a), Kind::Tuple(b)) => {
            Kind::Array { element: Box::new(join(a.into_iter().chain(b))), bounded: true }
        }
        (Kind::Array { element, bounded }, Kind::Tuple(tuple))
        | (Kind::Tuple(tuple), Kind::Array { element, bounded }) => {
            Kind::Array { element: Box::new(join(tuple.into_iter().chain([*element]))), bounded }
        }
        (Kind::Object(a), Kind::Object(b)) => Kind::Object(join_members(a, b)),
        _ => Kind::Unknown,
    };
    Shape { kind, nullable }
}

fn join_members(
    mut left: BTreeMap<String, Member>,
    right: BTreeMap<String, Member>,
) -> BTreeMap<String, Member> {
    for (name, member) in &mut left {
        if !right.contains_key(name) {
            member.required = false;
        }
    }
    for (name, member) in right {
        let joined = match left.remove(&name) {
            Some(known) => Member {
                required: known.required && member.required,
                shape: join_two(known.shape, member.shape),
            },
            None => Member { required: false, shape: member.shape },
        };
        left.insert(name, joined);
    }
    left
}

fn read(schema: &Value, document: &Value, depth: u32) -> Shape {
    let (Some(fields), Some(depth)) = (schema.as_object(), depth.checked_sub(1)) else {
        return Shape::UNKNOWN;
    };
    if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
        let target = reference.strip_prefix('#').and_then(|pointer| document.pointer(pointer));
        return target.map_or(Shape::UNKNOWN, |target| read(target, document, depth));
    }
    for alternatives in ["anyOf", "oneOf"] {
        if let Some(Value::Array(variants)) = fields.get(alternatives) {
            return read_alternatives(variants, document, depth);
        }
    }
    if let Some(Value::Array(parts)) = fields.get("allOf") {
        return match parts.as_slice() {
            [only] => read(only, document, depth),
            _ => Shape::UNKNOWN,
        };
    }
    if let Some(constant) = fields.get("const") {
        return Shape::of_value(constant);
    }
    if let Some(Value::Array(constants)) = fields.get("enum") {
        return join(constants.iter().map(Shape::of_value));
    }
    match fields.get("type") {
        Some(Value::String(name)) => read_type(name, schema, document, depth),
        Some(Value::Array(names)) => {
            let nullable = names.iter().any(|name| name == "null");
            let shapes = names
                .iter()
                .filter_map(Value::as_str)
                .filter(|name| *name != "null")
                .map(|name| read_type(name, schema, document, depth));
            let mut shape = join(shapes);
            shape.nullable |= nullable;
            shape
        }
        _ => Shape::UNKNOWN,
    }
}

fn read_alternatives(variants: &[Value], document: &Value, depth: u32) -> Shape {
    let is_null = |variant: &Value| variant.get("type").is_some_and(|name| name == "null");
    let mut shape = join(
        variants.iter().filter(|variant| !is_null(variant)).map(|variant| read(variant, document, depth)),
    );
    shape.nullable |= variants.iter().any(is_null);
    shape
}

fn read_type(name: &str, schema: &Value, document: &Value, depth: u32) -> Shape {
    let kind = match name {
        "string" => Kind::Text,
        "integer" | "number" | "boolean" => Kind::Scalar,
        "null" => return Shape { kind: Kind::Scalar, nullable: true },
        "array" => {
            if let Some(Value::Array(elements)) = schema.get("prefixItems") {
                let elements = elements.iter().map(|element| read(element, document, depth));
                return Shape::tuple_of(elements);
            }
            let element = schema.get("items").map_or(Shape::UNKNOWN, |items| read(items, document, depth));
            Kind::Array { element: Box::new(element), bounded: schema.get("maxItems").is_some() }
        }
        "object" => Kind::Object(read_members(schema, document, depth)),
        _ => Kind::Unknown,
    };
    Shape { kind, nullable: false }
}

fn read_members(schema: &Value, document: &Value, depth: u32) -> BTreeMap<String, Member> {
    let is_required = |name: &str| {
        let required = schema.get("required").and_then(Value::as_array);
        required.is_some_and(|names| names.iter().any(|required| required == name))
    };
    let properties = schema.get("properties").and_then(Value::as_object);
    properties
        .into_iter()
        .flatten()
        .map(|(name, member)| {
            let shape = read(member, document, depth);
            (name.clone(), Member { shape, required: is_required(name) })
        })
        .collect()
}

#[cfg(test)]
mod tests;
