//! What the macros refuse. Each block below must not compile, and the one
//! before it shows the form that does.

/// A default is a value of the argument's type.
///
/// ```
/// use skillhost_sdk::prelude::*;
/// /// Takes a number.
/// #[tool]
/// fn take(#[schema(default = 255)] number: u8) -> Result<String> { Ok(number.to_string()) }
/// ```
///
/// ```compile_fail,E0080
/// use skillhost_sdk::prelude::*;
/// /// Takes a number.
/// #[tool]
/// fn take(#[schema(default = 256)] number: u8) -> Result<String> { Ok(number.to_string()) }
/// skillhost_sdk::export!(take);
/// ```
///
/// ```compile_fail,E0080
/// use skillhost_sdk::prelude::*;
/// /// Takes numbers.
/// #[tool]
/// fn take(#[schema(default = [1, "2"])] numbers: Vec<u8>) -> Result<String> { Ok(String::new()) }
/// skillhost_sdk::export!(take);
/// ```
///
/// ```compile_fail,E0080
/// use skillhost_sdk::prelude::*;
/// #[derive(Deserialize, Schema)]
/// enum Unit { Metric }
/// /// Takes a unit.
/// #[tool]
/// fn take(#[schema(default = "metric")] unit: Unit) -> Result<String> { Ok(String::new()) }
/// skillhost_sdk::export!(take);
/// ```
mod defaults {}

/// A bound fits the type.
///
/// ```
/// use skillhost_sdk::prelude::*;
/// const LONGEST: usize = 10;
/// /// Takes a text.
/// #[tool]
/// fn take(#[schema(max_length = LONGEST)] text: Option<String>) -> Result<String> { Ok(text.unwrap_or_default()) }
/// skillhost_sdk::export!(take);
/// ```
///
/// ```compile_fail,E0080
/// use skillhost_sdk::prelude::*;
/// /// Takes a text.
/// #[tool]
/// fn take(#[schema(maximum = 10)] text: String) -> Result<String> { Ok(text) }
/// skillhost_sdk::export!(take);
/// ```
///
/// ```compile_fail,E0080
/// use skillhost_sdk::prelude::*;
/// /// Takes a number.
/// #[tool]
/// fn take(#[schema(pattern = "a")] number: u8) -> Result<String> { Ok(number.to_string()) }
/// skillhost_sdk::export!(take);
/// ```
///
/// ```compile_fail
/// use skillhost_sdk::prelude::*;
/// /// Takes a text.
/// #[tool]
/// fn take(#[schema(max_length = -1)] text: String) -> Result<String> { Ok(text) }
/// ```
///
/// ```compile_fail
/// use skillhost_sdk::prelude::*;
/// /// Takes a text.
/// #[tool]
/// fn take(#[schema(maximal_length = 1)] text: String) -> Result<String> { Ok(text) }
/// ```
///
/// ```compile_fail
/// use skillhost_sdk::prelude::*;
/// /// Takes a text.
/// #[tool]
/// fn take(#[schema(raw = "{")] text: String) -> Result<String> { Ok(text) }
/// ```
mod bounds {}

/// A tool is a described, plain function with a valid name.
///
/// ```
/// use skillhost_sdk::prelude::*;
/// /// Says hello.
/// #[tool(name = "hello-2", read_only = false)]
/// fn hello_to_all() -> Result<String> { Ok("hello".into()) }
/// skillhost_sdk::export!(hello_to_all);
/// ```
///
/// ```compile_fail
/// use skillhost_sdk::prelude::*;
/// #[tool]
/// fn hello() -> Result<String> { Ok("hello".into()) }
/// ```
///
/// ```compile_fail
/// use skillhost_sdk::prelude::*;
/// /// Says hello.
/// #[tool(name = "Hello")]
/// fn hello() -> Result<String> { Ok("hello".into()) }
/// ```
///
/// ```compile_fail
/// use skillhost_sdk::prelude::*;
/// /// Says hello.
/// #[tool(readonly)]
/// fn hello() -> Result<String> { Ok("hello".into()) }
/// ```
///
/// ```compile_fail
/// use skillhost_sdk::prelude::*;
/// /// Says hello.
/// #[tool]
/// async fn hello() -> Result<String> { Ok("hello".into()) }
/// ```
///
/// ```compile_fail
/// use skillhost_sdk::prelude::*;
/// /// Says hello.
/// #[tool]
/// fn hello<T: Default>() -> Result<String> { Ok("hello".into()) }
/// ```
///
/// ```compile_fail
/// use skillhost_sdk::prelude::*;
/// /// Says hello.
/// #[tool]
/// fn hello(name: &str) -> Result<String> { Ok(name.into()) }
/// ```
///
/// ```compile_fail
/// use skillhost_sdk::prelude::*;
/// /// Says hello.
/// #[tool]
/// fn hello((first, last): (String, String)) -> Result<String> { Ok(first + &last) }
/// ```
///
/// ```compile_fail,E0277
/// use skillhost_sdk::prelude::*;
/// /// Says hello.
/// #[tool]
/// fn hello() -> String { "hello".into() }
/// ```
///
/// ```compile_fail,E0277
/// use skillhost_sdk::prelude::*;
/// /// Waits.
/// #[tool]
/// fn wait(time: std::time::Duration) -> Result<String> { Ok("done".into()) }
/// ```
///
/// ```compile_fail,E0277
/// use skillhost_sdk::prelude::*;
/// struct Stats;
/// /// Counts.
/// #[tool]
/// fn count() -> Result<Stats> { Ok(Stats) }
/// ```
mod tools {}

/// A type has one schema, which the macro knows or the author writes.
///
/// ```
/// use skillhost_sdk::prelude::*;
/// #[derive(Serialize, Schema)]
/// struct Tree {
///     #[schema(raw = r#"{"type": "array", "items": {"type": "object"}}"#)]
///     branches: Vec<Tree>,
/// }
/// ```
///
/// ```compile_fail
/// use skillhost_sdk::prelude::*;
/// #[derive(Serialize, Schema)]
/// struct Tree { branches: Vec<Tree> }
/// ```
///
/// ```compile_fail
/// use skillhost_sdk::prelude::*;
/// #[derive(Schema)]
/// struct Names { #[serde(rename(serialize = "a", deserialize = "b"))] name: String }
/// ```
///
/// ```compile_fail
/// use skillhost_sdk::prelude::*;
/// #[derive(Schema)]
/// struct Opaque { #[serde(with = "elsewhere")] name: String }
/// ```
///
/// ```compile_fail
/// use skillhost_sdk::prelude::*;
/// #[derive(Schema)]
/// #[serde(from = "String")]
/// struct Opaque { name: String }
/// ```
///
/// ```compile_fail,E0080
/// use skillhost_sdk::prelude::*;
/// #[derive(Serialize, Schema)]
/// struct Outer { #[serde(flatten)] inner: Vec<u8> }
/// /// Gives one.
/// #[tool]
/// fn give() -> Result<Outer> { Ok(Outer { inner: vec![] }) }
/// skillhost_sdk::export!(give);
/// ```
///
/// ```compile_fail
/// use skillhost_sdk::prelude::*;
/// #[derive(Schema)]
/// #[serde(tag = "kind")]
/// enum Shape { Line(u8, u8) }
/// ```
///
/// ```compile_fail
/// use skillhost_sdk::prelude::*;
/// #[derive(Schema)]
/// union Bits { whole: u8, part: i8 }
/// ```
mod types {}

/// Only tools are exported.
///
/// ```compile_fail
/// skillhost_sdk::export!();
/// ```
///
/// ```compile_fail
/// fn plain() {}
/// skillhost_sdk::export!(plain);
/// ```
mod exports {}
