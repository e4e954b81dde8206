//! Forms, as MCP has them for elicitation: an object of strings, numbers,
//! booleans and choices, and nothing within them.

use serde_json::{Map, Value, json};

use super::shown;

/// The most fields of a form.
const MAX_FIELDS: usize = 16;

/// The most choices of a field.
const MAX_CHOICES: usize = 64;

/// The longest title, name of a choice or default, in characters.
const MAX_TITLE: usize = 100;

/// The longest description of a field, in characters.
const MAX_DESCRIPTION: usize = 500;

/// Words of which one makes a field with free text or a number a demand for a
/// secret (MCP, Elicitation: a server must not ask for one in a form).
const SECRETS: [&str; 23] = [
    "password",
    "passwort",
    "passphrase",
    "passcode",
    "passwd",
    "secret",
    "api key",
    "apikey",
    "access token",
    "accesstoken",
    "auth token",
    "authtoken",
    "private key",
    "privatekey",
    "credential",
    "credit card",
    "creditcard",
    "card number",
    "cardnumber",
    "cvv",
    "cvc",
    "recovery code",
    "recoverycode",
];

/// Keywords that say nothing to whoever fills a form in.
const SILENT: [&str; 4] = ["$schema", "additionalProperties", "title", "description"];

/// The schema of a form whose question is `message`, without what MCP does not
/// know.
///
/// # Errors
///
/// What is wrong, as the end of a sentence.
pub(super) fn schema(message: &str, schema: &Value) -> Result<Value, String> {
    let object = schema.as_object().ok_or("a form has a schema")?;
    known(object, &["type", "properties", "required"], &SILENT)?;
    if object.get("type").and_then(Value::as_str) != Some("object") {
        return Err("the schema of a form is of the type `object`".to_owned());
    }
    let fields = object.get("properties").and_then(Value::as_object);
    let fields = fields.filter(|fields| (1..=MAX_FIELDS).contains(&fields.len()));
    let fields = fields.ok_or_else(|| format!("a form has 1 to {MAX_FIELDS} fields"))?;
    let mut read = Map::new();
    for (name, definition) in fields {
        if !super::is_key(name) {
            return Err(
                "the name of a field is 1 to 64 of letters, digits, `-`, `_` and `.`".to_owned(),
            );
        }
        let field = field(definition).map_err(|why| format!("the field `{name}`: {why}"))?;
        refuse_secret(message, name, &field)?;
        read.insert(name.clone(), field);
    }
    let required = names(object.get("required"))?;
    if required.iter().any(|name| !read.contains_key(name)) {
        return Err("a field is required that there is not".to_owned());
    }
    Ok(json!({"type": "object", "properties": read, "required": required}))
}

fn field(definition: &Value) -> Result<Value, String> {
    let object = definition.as_object().ok_or("it has no schema")?;
    let mut read = Map::new();
    for (name, most) in [("title", MAX_TITLE), ("description", MAX_DESCRIPTION)] {
        if let Some(text) = object.get(name).and_then(Value::as_str) {
            read.insert(name.to_owned(), shown(text, most)?.into());
        }
    }
    match kind(object)? {
        "string" => string(object, &mut read)?,
        "number" => number(object, &mut read, "number")?,
        "integer" => number(object, &mut read, "integer")?,
        "boolean" => {
            known(object, &["type", "default"], &SILENT)?;
            read.insert("type".to_owned(), "boolean".into());
            keep(object, &mut read, "default", Value::is_boolean)?;
        }
        "array" => several(object, &mut read)?,
        _ => return Err("it is none of string, number, integer, boolean and a choice".to_owned()),
    }
    Ok(Value::Object(read))
}

/// What may be left out may be `null` for a skill; a form leaves it out.
fn kind(object: &Map<String, Value>) -> Result<&str, String> {
    let is_choice = object.contains_key("oneOf") || object.contains_key("enum");
    let kind = match object.get("type") {
        None if is_choice => Some("string"),
        Some(Value::String(kind)) => Some(kind.as_str()),
        Some(Value::Array(kinds)) => {
            let mut kinds = kinds
                .iter()
                .filter_map(Value::as_str)
                .filter(|kind| *kind != "null");
            kinds.next().filter(|_| kinds.next().is_none())
        }
        _ => None,
    };
    kind.ok_or_else(|| "it has no type".to_owned())
}

fn string(object: &Map<String, Value>, read: &mut Map<String, Value>) -> Result<(), String> {
    let own = [
        "type",
        "minLength",
        "maxLength",
        "format",
        "default",
        "enum",
        "enumNames",
        "oneOf",
    ];
    known(object, &own, &SILENT)?;
    read.insert("type".to_owned(), "string".into());
    if object.contains_key("enum") || object.contains_key("oneOf") {
        choices(object, read, "oneOf")?;
    } else {
        for bound in ["minLength", "maxLength"] {
            keep(object, read, bound, |it| {
                it.as_u64().is_some_and(|it| u32::try_from(it).is_ok())
            })?;
        }
        let formats = ["email", "uri", "date", "date-time"];
        keep(object, read, "format", |it| {
            it.as_str().is_some_and(|it| formats.contains(&it))
        })?;
    }
    if let Some(default) = object.get("default").and_then(Value::as_str) {
        read.insert("default".to_owned(), shown(default, MAX_TITLE)?.into());
    }
    Ok(())
}

fn number(
    object: &Map<String, Value>,
    read: &mut Map<String, Value>,
    kind: &str,
) -> Result<(), String> {
    known(object, &["type", "minimum", "maximum", "default"], &SILENT)?;
    read.insert("type".to_owned(), kind.into());
    for name in ["minimum", "maximum", "default"] {
        let Some(value) = object.get(name) else {
            continue;
        };
        if !value.is_number() {
            return Err(format!("`{name}` is no number"));
        }
        // What no client's numbers reach is no bound.
        let fits = kind == "number" || value.as_i64().is_some();
        if fits {
            read.insert(name.to_owned(), value.clone());
        }
    }
    Ok(())
}

fn several(object: &Map<String, Value>, read: &mut Map<String, Value>) -> Result<(), String> {
    let own = [
        "type",
        "items",
        "minItems",
        "maxItems",
        "uniqueItems",
        "default",
    ];
    known(object, &own, &SILENT)?;
    let items = object.get("items").and_then(Value::as_object);
    let items = items.ok_or("a list is of choices")?;
    known(items, &["type", "enum", "anyOf", "oneOf"], &SILENT)?;
    let mut choice = Map::new();
    choices(items, &mut choice, "anyOf")?;
    if choice.contains_key("enum") {
        choice.insert("type".to_owned(), "string".into());
    }
    read.insert("type".to_owned(), "array".into());
    read.insert("items".to_owned(), choice.into());
    for bound in ["minItems", "maxItems"] {
        keep(object, read, bound, Value::is_u64)?;
    }
    if object.contains_key("default") {
        let chosen = names(object.get("default"))?;
        let chosen = chosen.iter().map(|it| shown(it, MAX_TITLE));
        read.insert(
            "default".to_owned(),
            chosen.collect::<Result<Vec<_>, _>>()?.into(),
        );
    }
    Ok(())
}

/// Choices with titles or without, under `titled` or `enum`.
fn choices(
    object: &Map<String, Value>,
    read: &mut Map<String, Value>,
    titled: &str,
) -> Result<(), String> {
    let count = |list: &Vec<Value>| (1..=MAX_CHOICES).contains(&list.len());
    if let Some(list) = object.get("enum") {
        let mut values = list.as_array().cloned().unwrap_or_default();
        values.retain(|value| !value.is_null());
        if !count(&values) {
            return Err(format!("a choice is one of 1 to {MAX_CHOICES}"));
        }
        let list = values.iter().map(value).collect::<Result<Vec<_>, _>>()?;
        if let Some(titles) = object.get("enumNames") {
            let titles = names(Some(titles))?;
            if titles.len() != list.len() {
                return Err("there is not one name for each choice".to_owned());
            }
            let titles = titles.iter().map(|title| shown(title, MAX_TITLE));
            read.insert(
                "enumNames".to_owned(),
                titles.collect::<Result<Vec<_>, _>>()?.into(),
            );
        }
        read.insert("enum".to_owned(), list.into());
        return Ok(());
    }
    let list = object
        .get("oneOf")
        .or_else(|| object.get("anyOf"))
        .and_then(Value::as_array);
    let list = list.filter(|list| count(list));
    let list = list.ok_or_else(|| format!("a choice is one of 1 to {MAX_CHOICES}"))?;
    let choice = |choice: &Value| {
        let constant = value(choice.get("const").unwrap_or(&Value::Null))?;
        let title = ["title", "description"]
            .iter()
            .find_map(|name| choice.get(*name)?.as_str());
        let title = shown(title.unwrap_or(&constant), MAX_TITLE)?;
        Ok::<Value, String>(json!({"const": constant, "title": title}))
    };
    let list = list.iter().map(choice).collect::<Result<Vec<_>, _>>()?;
    read.insert(titled.to_owned(), list.into());
    Ok(())
}

/// The value of a choice, in which nothing is hidden.
fn value(value: &Value) -> Result<String, String> {
    let text = value.as_str().ok_or("a choice is a string")?;
    if shown(text, MAX_TITLE)? != text {
        return Err("a choice holds hidden characters".to_owned());
    }
    Ok(text.to_owned())
}

fn names(list: Option<&Value>) -> Result<Vec<String>, String> {
    let Some(list) = list else {
        return Ok(Vec::new());
    };
    let texts = list.as_array().filter(|list| list.len() <= MAX_CHOICES);
    let texts = texts.ok_or("a list of names is none, or too long")?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let texts: Option<Vec<String>> = texts.iter().map(text).collect();
    texts.ok_or_else(|| "a name is no string".to_owned())
}

fn keep(
    object: &Map<String, Value>,
    read: &mut Map<String, Value>,
    name: &str,
    is_right: impl Fn(&Value) -> bool,
) -> Result<(), String> {
    match object.get(name) {
        None => Ok(()),
        Some(value) if is_right(value) => {
            read.insert(name.to_owned(), value.clone());
            Ok(())
        }
        Some(_) => Err(format!("`{name}` is not as MCP has it")),
    }
}

/// What a client does not know it would leave out, and so promise less than the
/// skill relies on.
fn known(object: &Map<String, Value>, own: &[&str], silent: &[&str]) -> Result<(), String> {
    let strange = object.keys().find(|key| {
        let key = key.as_str();
        !own.contains(&key) && !silent.contains(&key)
    });
    match strange {
        None => Ok(()),
        Some(key) => {
            let key = crate::manifest::text::one_line(key, 40);
            Err(format!("forms have no `{key}`"))
        }
    }
}

fn refuse_secret(message: &str, name: &str, field: &Value) -> Result<(), String> {
    let is_free = match field.get("type").and_then(Value::as_str) {
        Some("string") => field.get("enum").is_none() && field.get("oneOf").is_none(),
        Some("number" | "integer") => true,
        _ => false,
    };
    let text = |key: &str| field.get(key).and_then(Value::as_str).unwrap_or_default();
    let said = [message, name, text("title"), text("description")].map(|text| {
        let text = text.to_lowercase();
        text.replace(['_', '-', '.'], " ")
    });
    let asks = |word: &str| said.iter().any(|said| said.contains(word));
    match SECRETS.into_iter().find(|word| asks(word)) {
        Some(word) if is_free => Err(format!(
            "the field `{name}` asks for a secret (`{word}`), which no form may; send the person to an address instead"
        )),
        _ => Ok(()),
    }
}

/// A client's result for a form; none if it is no answer to it.
pub(super) fn reply(schema: &Value, result: &Value) -> Option<Value> {
    let action = action(result)?;
    if action != "accept" {
        return Some(json!({"action": action}));
    }
    let fields = schema.get("properties")?.as_object()?;
    let mut content = Map::new();
    for (name, value) in result.get("content")?.as_object()? {
        // What was not asked for is not passed on.
        let Some(field) = fields.get(name) else {
            continue;
        };
        if value.is_null() {
            continue;
        }
        if !fits(field, value) {
            return None;
        }
        content.insert(name.clone(), value.clone());
    }
    let required = schema.get("required").and_then(Value::as_array)?;
    let has = |name: &Value| name.as_str().is_some_and(|name| content.contains_key(name));
    required
        .iter()
        .all(has)
        .then(|| json!({"action": "accept", "content": content}))
}

/// What somebody did with a question.
pub(super) fn action(result: &Value) -> Option<&str> {
    let action = result.get("action")?.as_str()?;
    matches!(action, "accept" | "decline" | "cancel").then_some(action)
}

fn fits(field: &Value, value: &Value) -> bool {
    let bound = |name: &str| field.get(name).and_then(Value::as_f64);
    let within = |value: f64, least: &str, most: &str| {
        bound(least).is_none_or(|least| value >= least)
            && bound(most).is_none_or(|most| value <= most)
    };
    match field.get("type").and_then(Value::as_str) {
        Some("string") => value.as_str().is_some_and(|text| {
            let characters = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
            is_choice(field, text) && within(f64::from(characters), "minLength", "maxLength")
        }),
        Some("integer") => {
            let whole =
                value.as_i64().is_some() || value.as_f64().is_some_and(|it| it.fract() == 0.0);
            whole
                && value
                    .as_f64()
                    .is_some_and(|it| within(it, "minimum", "maximum"))
        }
        Some("number") => value
            .as_f64()
            .is_some_and(|it| within(it, "minimum", "maximum")),
        Some("boolean") => value.is_boolean(),
        Some("array") => value.as_array().is_some_and(|list| {
            let count = u32::try_from(list.len()).unwrap_or(u32::MAX);
            let items = field.get("items").unwrap_or(&Value::Null);
            let chosen = |it: &Value| it.as_str().is_some_and(|text| is_choice(items, text));
            list.len() <= MAX_CHOICES
                && within(f64::from(count), "minItems", "maxItems")
                && list.iter().all(chosen)
        }),
        _ => false,
    }
}

fn is_choice(field: &Value, text: &str) -> bool {
    if let Some(list) = field.get("enum").and_then(Value::as_array) {
        return list.iter().any(|it| it.as_str() == Some(text));
    }
    let titled = field.get("oneOf").or_else(|| field.get("anyOf"));
    let Some(list) = titled.and_then(Value::as_array) else {
        return true;
    };
    list.iter()
        .any(|it| it.get("const").and_then(Value::as_str) == Some(text))
}
