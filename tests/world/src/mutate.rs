//! Bundles that may be wrong in any way: what a fuzzer would try first, without
//! one.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use fastrand::Rng;
use serde_json::{Value, json};

/// Random mutants of a bundle, without end, the same for the same seed. Most
/// must be refused. Those that must not differ in what nothing authenticates.
#[must_use]
pub fn mutants(bundle_json: &str, seed: u64) -> Mutants {
    let bundle: Value = serde_json::from_str(bundle_json).expect("a bundle is JSON");
    Mutants {
        places: places(&bundle),
        spare: leaves(&bundle),
        text: bundle.to_string(),
        random: Rng::with_seed(seed),
        bundle,
    }
}

/// The iterator that [`mutants`] returns. It does not end, and none of its
/// items is the bundle itself.
#[derive(Clone, Debug)]
pub struct Mutants {
    bundle: Value,
    text: String,
    /// JSON pointers to everything in the bundle.
    places: Vec<String>,
    /// What can be put in the place of something else.
    spare: Vec<Value>,
    random: Rng,
}

impl Mutants {
    /// Takes parts of another bundle as well.
    #[must_use]
    pub fn splicing(mut self, other_json: &str) -> Self {
        let other: Value = serde_json::from_str(other_json).expect("a bundle is JSON");
        self.spare.extend(leaves(&other));
        self
    }
}

impl Iterator for Mutants {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        loop {
            let mutation = self.random.choice(MUTATIONS)?;
            let mutant = mutation(self);
            if mutant != self.text {
                return Some(mutant);
            }
        }
    }
}

type Mutation = fn(&mut Mutants) -> String;

const MUTATIONS: [Mutation; 13] = [
    garbled_bytes,
    garbled_bytes,
    shortened_bytes,
    lengthened_bytes,
    reencoded_bytes,
    altered_number,
    dropped,
    duplicated,
    retyped,
    swapped,
    spliced,
    altered_character,
    nested,
];

/// One bit of what a base64 text stands for.
fn garbled_bytes(mutants: &mut Mutants) -> String {
    mutants.with_bytes(|random, bytes| {
        let bit = 1 << random.u8(..8);
        if let Some(byte) = random.choice(bytes) {
            *byte ^= bit;
        }
    })
}

fn shortened_bytes(mutants: &mut Mutants) -> String {
    mutants.with_bytes(|random, bytes| bytes.truncate(random.usize(..bytes.len())))
}

/// Up to a mebibyte more.
fn lengthened_bytes(mutants: &mut Mutants) -> String {
    mutants.with_bytes(|random, bytes| {
        let more = 1 << random.u8(..=20);
        bytes.resize(bytes.len() + more, random.u8(..));
    })
}

/// The same bytes, in base64 that not every parser reads.
fn reencoded_bytes(mutants: &mut Mutants) -> String {
    let Some((place, bytes)) = mutants.any_bytes() else {
        return mutants.text.clone();
    };
    mutants.with(&place, json!(URL_SAFE_NO_PAD.encode(bytes)))
}

fn altered_number(mutants: &mut Mutants) -> String {
    let numbers = mutants.places_of(|value| number(value).is_some());
    let Some(place) = mutants.random.choice(numbers) else {
        return mutants.text.clone();
    };
    let number = mutants.bundle.pointer(&place).and_then(number).unwrap_or(0);
    let choices = [
        json!((number + 1).to_string()),
        json!((number - 1).to_string()),
        json!((-number).to_string()),
        json!(mutants.random.i64(..).to_string()),
        json!(i64::MAX.to_string()),
        json!(u64::MAX.to_string()),
        json!("99999999999999999999"),
        json!("1e3"),
        json!(number),
        json!(0.5),
    ];
    let altered = mutants.random.choice(choices).unwrap_or_default();
    mutants.with(&place, altered)
}

/// A member or an element less.
fn dropped(mutants: &mut Mutants) -> String {
    let place = mutants.any_place();
    mutants.edited(&place, |parent, name| match parent {
        Value::Object(members) => {
            members.shift_remove(name);
        }
        Value::Array(elements) => {
            elements.remove(name.parse().expect("elements go by numbers"));
        }
        _ => {}
    })
}

/// A member or an element twice, the second time with other content.
fn duplicated(mutants: &mut Mutants) -> String {
    const SECOND: &str = "the second of this name: ";
    let place = mutants.any_place();
    let spare = mutants.any_spare();
    let text = mutants.edited(&place, |parent, name| match parent {
        Value::Object(members) => {
            members.insert(format!("{SECOND}{name}"), spare);
        }
        Value::Array(elements) => elements.push(spare),
        _ => {}
    });
    text.replace(SECOND, "")
}

/// A value of another type.
fn retyped(mutants: &mut Mutants) -> String {
    let place = mutants.any_place();
    let value = mutants.bundle.pointer(&place).cloned();
    let types = [
        Value::Null,
        json!(true),
        json!(-1),
        json!(""),
        json!([]),
        json!({}),
        json!([value]),
        json!({"value": value}),
        json!(value.map(|value| value.to_string())),
    ];
    let other = mutants.random.choice(types).unwrap_or_default();
    mutants.with(&place, other)
}

/// Two values in each other's place: elements of one array, if it comes so.
fn swapped(mutants: &mut Mutants) -> String {
    let one = mutants.any_place();
    let (folder, _) = one.rsplit_once('/').unwrap_or_default();
    let siblings = mutants.places.iter().filter(|place| {
        place
            .rsplit_once('/')
            .is_some_and(|(parent, _)| parent == folder)
    });
    let siblings: Vec<String> = siblings.cloned().collect();
    let other = mutants.random.choice(siblings).unwrap_or_default();
    let mut bundle = mutants.bundle.clone();
    for (to, from) in [(&one, &other), (&other, &one)] {
        let value = mutants.bundle.pointer(from).cloned();
        if let (Some(place), Some(value)) = (bundle.pointer_mut(to), value) {
            *place = value;
        }
    }
    bundle.to_string()
}

/// Something else's value.
fn spliced(mutants: &mut Mutants) -> String {
    let place = mutants.any_place();
    let spare = mutants.any_spare();
    mutants.with(&place, spare)
}

/// One character of the text, whatever that does to the JSON.
fn altered_character(mutants: &mut Mutants) -> String {
    let mut characters: Vec<char> = mutants.text.chars().collect();
    let at = mutants.random.usize(..characters.len());
    let other = mutants.random.char(..'\u{250}');
    match mutants.random.u8(..3) {
        0 => characters.insert(at, other),
        1 => drop(characters.remove(at)),
        _ => drop(characters.splice(at..=at, [other])),
    }
    characters.into_iter().collect()
}

/// Brackets within brackets, up to deeper than any stack.
fn nested(mutants: &mut Mutants) -> String {
    const HERE: &str = "the brackets go here";
    let place = mutants.any_place();
    let depth = 1 << mutants.random.u8(..=17);
    let (open, close) = if mutants.random.bool() {
        ("[", "]")
    } else {
        ("{\"a\":", "}")
    };
    let brackets = format!("{}0{}", open.repeat(depth), close.repeat(depth));
    let text = mutants.with(&place, json!(HERE));
    text.replacen(&json!(HERE).to_string(), &brackets, 1)
}

impl Mutants {
    fn any_place(&mut self) -> String {
        self.random
            .choice(&self.places)
            .cloned()
            .unwrap_or_default()
    }

    fn any_spare(&mut self) -> Value {
        self.random.choice(&self.spare).cloned().unwrap_or_default()
    }

    fn places_of(&self, wanted: impl Fn(&Value) -> bool) -> Vec<String> {
        let is_wanted = |place: &&String| self.bundle.pointer(place).is_some_and(&wanted);
        self.places.iter().filter(is_wanted).cloned().collect()
    }

    fn any_bytes(&mut self) -> Option<(String, Vec<u8>)> {
        let places = self.places_of(|value| bytes(value).is_some());
        let place = self.random.choice(places)?;
        let bytes = self.bundle.pointer(&place).and_then(bytes)?;
        Some((place, bytes))
    }

    fn with_bytes(&mut self, change: impl FnOnce(&mut Rng, &mut Vec<u8>)) -> String {
        let Some((place, mut bytes)) = self.any_bytes() else {
            return self.text.clone();
        };
        change(&mut self.random, &mut bytes);
        self.with(&place, json!(STANDARD.encode(bytes)))
    }

    fn with(&self, place: &str, value: Value) -> String {
        let mut bundle = self.bundle.clone();
        if let Some(there) = bundle.pointer_mut(place) {
            *there = value;
        }
        bundle.to_string()
    }

    /// The bundle, changed around a place: what holds it, and its name in there.
    fn edited(&self, place: &str, change: impl FnOnce(&mut Value, &str)) -> String {
        let mut bundle = self.bundle.clone();
        if let Some((parent, name)) = place.rsplit_once('/')
            && let Some(parent) = bundle.pointer_mut(parent)
        {
            change(parent, name);
        }
        bundle.to_string()
    }
}

/// JSON pointers to everything in a value, but not to itself.
fn places(value: &Value) -> Vec<String> {
    let within = |name: String, value: &Value| {
        let deeper = places(value).into_iter();
        let deeper: Vec<String> = deeper.map(|place| format!("/{name}{place}")).collect();
        [vec![format!("/{name}")], deeper].concat()
    };
    match value {
        Value::Object(members) => members
            .iter()
            .flat_map(|(name, value)| within(name.clone(), value))
            .collect(),
        Value::Array(elements) => elements
            .iter()
            .enumerate()
            .flat_map(|(index, value)| within(index.to_string(), value))
            .collect(),
        _ => Vec::new(),
    }
}

fn leaves(value: &Value) -> Vec<Value> {
    let values = places(value).into_iter();
    let values = values.filter_map(|place| value.pointer(&place).cloned());
    values
        .filter(|value| !value.is_object() && !value.is_array())
        .collect()
}

/// What a text stands for, if it is base64 of something.
fn bytes(value: &Value) -> Option<Vec<u8>> {
    let bytes = STANDARD.decode(value.as_str()?).ok()?;
    (!bytes.is_empty()).then_some(bytes)
}

/// Numbers are texts in bundles, mostly.
fn number(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => text.parse().ok(),
        _ => value.as_i64(),
    }
}
