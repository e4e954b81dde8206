//! A [`Node`] as JSON text.

use super::{Direction, Field, Keyword, Node, Presence, same};
use crate::json::Writer;

/// Writes `node` as a schema object.
pub(crate) const fn schema(writer: &mut Writer<'_>, node: &Node, direction: Direction) {
    Renderer { direction }.object(writer, node);
}

/// Keywords that stand outside a node and replace its own.
struct Outer<'a> {
    keywords: &'a [Keyword],
    next: Option<&'a Self>,
}

impl Outer<'_> {
    const NONE: Outer<'static> = Outer {
        keywords: &[],
        next: None,
    };

    const fn has(&self, name: &str) -> bool {
        let mut index = 0;
        while index < self.keywords.len() {
            if same(self.keywords[index].name, name) {
                return true;
            }
            index += 1;
        }
        match self.next {
            Some(next) => next.has(name),
            None => false,
        }
    }
}

#[derive(Clone, Copy)]
struct Renderer {
    direction: Direction,
}

impl Renderer {
    const fn object(self, writer: &mut Writer<'_>, node: &Node) {
        writer.open("{");
        self.members(writer, node, false, &Outer::NONE);
        writer.close("}");
    }

    /// The members of the schema of `node`, which also allows `null` if `nullable`.
    const fn members(
        self,
        writer: &mut Writer<'_>,
        node: &Node,
        nullable: bool,
        outer: &Outer<'_>,
    ) {
        match node {
            Node::Any => {}
            Node::Nullable { inner } => self.members(writer, inner, true, outer),
            Node::Annotated { keywords, inner } => {
                annotations(writer, keywords, outer);
                self.members(
                    writer,
                    inner,
                    nullable,
                    &Outer {
                        keywords,
                        next: Some(outer),
                    },
                );
            }
            Node::Raw { members } if nullable => nullable_raw(writer, members),
            Node::Raw { members } => raw(writer, members, outer),
            Node::Constant { value } if !nullable => {
                writer.key("const");
                writer.string(value);
            }
            _ => {
                type_member(writer, node.type_name(), nullable);
                self.details(writer, node, nullable, outer);
            }
        }
    }

    /// What a schema says beside its type.
    const fn details(
        self,
        writer: &mut Writer<'_>,
        node: &Node,
        nullable: bool,
        outer: &Outer<'_>,
    ) {
        match node {
            Node::Integer { minimum, maximum } => {
                bound(writer, "minimum", *minimum, outer);
                bound(writer, "maximum", *maximum, outer);
            }
            Node::Character => {
                bound(writer, "minLength", Some(1), outer);
                bound(writer, "maxLength", Some(1), outer);
            }
            Node::Array {
                items,
                unique,
                length,
            } => self.array(writer, items, *unique, *length, outer),
            Node::Tuple { items } => self.tuple(writer, items),
            Node::Map { values } => {
                writer.key("additionalProperties");
                self.object(writer, values);
            }
            Node::Object { fields } => self.properties(writer, fields),
            Node::Constant { value } => names(writer, &[value], nullable),
            Node::Names { values } => names(writer, values, nullable),
            Node::OneOf { variants } => self.variants(writer, "oneOf", variants, nullable),
            Node::AnyOf { variants } => self.variants(writer, "anyOf", variants, nullable),
            _ => {}
        }
    }

    const fn array(
        self,
        writer: &mut Writer<'_>,
        items: &Node,
        unique: bool,
        length: Option<usize>,
        outer: &Outer<'_>,
    ) {
        writer.key("items");
        self.object(writer, items);
        if unique && !outer.has("uniqueItems") {
            writer.key("uniqueItems");
            writer.boolean(true);
        }
        if let Some(length) = length {
            bound(writer, "minItems", Some(length as i128), outer);
            bound(writer, "maxItems", Some(length as i128), outer);
        }
    }

    const fn tuple(self, writer: &mut Writer<'_>, items: &[&Node]) {
        writer.key("prefixItems");
        writer.open("[");
        let mut index = 0;
        while index < items.len() {
            self.object(writer, items[index]);
            index += 1;
        }
        writer.close("]");
        bound(writer, "minItems", Some(items.len() as i128), &Outer::NONE);
        bound(writer, "maxItems", Some(items.len() as i128), &Outer::NONE);
    }

    const fn variants(
        self,
        writer: &mut Writer<'_>,
        keyword: &str,
        variants: &[&Node],
        nullable: bool,
    ) {
        writer.key(keyword);
        writer.open("[");
        let mut index = 0;
        while index < variants.len() {
            self.object(writer, variants[index]);
            index += 1;
        }
        if nullable {
            null(writer);
        }
        writer.close("]");
    }

    const fn properties(self, writer: &mut Writer<'_>, fields: &[Field]) {
        writer.key("properties");
        writer.open("{");
        self.each_property(writer, fields);
        writer.close("}");
        if self.any_required(fields) {
            writer.key("required");
            writer.open("[");
            self.each_required(writer, fields);
            writer.close("]");
        }
        if let Some(values) = flattened_map(fields) {
            writer.key("additionalProperties");
            self.object(writer, values);
        } else if matches!(self.direction, Direction::Input) {
            writer.key("additionalProperties");
            writer.boolean(false);
        }
    }

    const fn each_property(self, writer: &mut Writer<'_>, fields: &[Field]) {
        let mut index = 0;
        while index < fields.len() {
            let field = &fields[index];
            if field.flatten {
                self.each_property(writer, flattened(field.node));
            } else if !matches!(self.presence(field), Presence::Never) {
                writer.key(field.name);
                self.object(writer, field.node);
            }
            index += 1;
        }
    }

    const fn each_required(self, writer: &mut Writer<'_>, fields: &[Field]) {
        let mut index = 0;
        while index < fields.len() {
            let field = &fields[index];
            if field.flatten {
                self.each_required(writer, flattened(field.node));
            } else if matches!(self.presence(field), Presence::Required) {
                writer.string(field.name);
            }
            index += 1;
        }
    }

    const fn any_required(self, fields: &[Field]) -> bool {
        let mut index = 0;
        while index < fields.len() {
            let field = &fields[index];
            let required = if field.flatten {
                self.any_required(flattened(field.node))
            } else {
                matches!(self.presence(field), Presence::Required)
            };
            if required {
                return true;
            }
            index += 1;
        }
        false
    }

    const fn presence(self, field: &Field) -> Presence {
        match self.direction {
            Direction::Input => field.input,
            Direction::Output => field.output,
        }
    }
}

/// The fields that a flattened type adds to the object around it.
const fn flattened(node: &'static Node) -> &'static [Field] {
    match node {
        Node::Object { fields } => fields,
        Node::Annotated { inner, .. } => flattened(inner),
        Node::Map { .. } => &[],
        _ => panic!(
            "`#[serde(flatten)]` is for structs and maps: write the schema with #[schema(raw = ...)]"
        ),
    }
}

/// What a flattened map says about all other properties.
const fn flattened_map(fields: &[Field]) -> Option<&'static Node> {
    let mut index = 0;
    while index < fields.len() {
        if fields[index].flatten {
            if let Some(values) = map_values(fields[index].node) {
                return Some(values);
            }
            if let Some(values) = flattened_map(flattened(fields[index].node)) {
                return Some(values);
            }
        }
        index += 1;
    }
    None
}

const fn map_values(node: &Node) -> Option<&'static Node> {
    match node {
        Node::Map { values } => Some(values),
        Node::Annotated { inner, .. } => map_values(inner),
        _ => None,
    }
}

const fn annotations(writer: &mut Writer<'_>, keywords: &[Keyword], outer: &Outer<'_>) {
    let mut index = 0;
    while index < keywords.len() {
        let keyword = &keywords[index];
        if !outer.has(keyword.name) {
            writer.key(keyword.name);
            keyword.value.write(writer);
        }
        index += 1;
    }
}

const fn type_member(writer: &mut Writer<'_>, name: Option<&str>, nullable: bool) {
    let Some(name) = name else { return };
    writer.key("type");
    if nullable {
        writer.open("[");
        writer.string(name);
        writer.string("null");
        writer.close("]");
    } else {
        writer.string(name);
    }
}

const fn bound(writer: &mut Writer<'_>, name: &str, value: Option<i128>, outer: &Outer<'_>) {
    if let Some(value) = value
        && !outer.has(name)
    {
        writer.key(name);
        writer.integer(value);
    }
}

const fn names(writer: &mut Writer<'_>, values: &[&str], nullable: bool) {
    writer.key("enum");
    writer.open("[");
    let mut index = 0;
    while index < values.len() {
        writer.string(values[index]);
        index += 1;
    }
    if nullable {
        writer.json("null");
    }
    writer.close("]");
}

const fn null(writer: &mut Writer<'_>) {
    writer.open("{");
    writer.key("type");
    writer.string("null");
    writer.close("}");
}

const fn raw(writer: &mut Writer<'_>, members: &[(&str, &str)], outer: &Outer<'_>) {
    let mut index = 0;
    while index < members.len() {
        let (name, json) = members[index];
        if !outer.has(name) {
            writer.key(name);
            writer.json(json);
        }
        index += 1;
    }
}

const fn nullable_raw(writer: &mut Writer<'_>, members: &[(&str, &str)]) {
    writer.key("anyOf");
    writer.open("[");
    writer.open("{");
    raw(writer, members, &Outer::NONE);
    writer.close("}");
    null(writer);
    writer.close("]");
}
