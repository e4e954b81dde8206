//! The macro that turns tools into a skill.

/// Exports tools as the skill of this crate: `export!(count_words, summarize)`.
///
/// Name, version and description of the skill are those of the Cargo package.
/// Once in a crate, at its root. It defines the constant `SKILL`, for
/// [`testing::call`](crate::testing::call).
///
/// Two tools of the same name do not compile:
///
/// ```compile_fail
/// use skillhost_sdk::prelude::*;
///
/// /// Says hello.
/// #[tool]
/// fn hello() -> Result<String> { Ok("hello".into()) }
///
/// /// Says hello, too.
/// #[tool(name = "hello")]
/// fn hi() -> Result<String> { Ok("hi".into()) }
///
/// skillhost_sdk::export!(hello, hi);
/// ```
#[macro_export]
macro_rules! export {
    () => {
        ::core::compile_error!("name the tools to export: `skillhost_sdk::export!(my_tool)`");
    };
    ($($tool:path),+ $(,)?) => {
        /// The skill that this crate exports.
        #[allow(long_running_const_eval, reason = "a large manifest takes its time")]
        pub const SKILL: $crate::Skill = $crate::Skill::new(
            ::core::env!("CARGO_PKG_NAME"),
            ::core::env!("CARGO_PKG_VERSION"),
            ::core::env!("CARGO_PKG_DESCRIPTION"),
            &[$(<$tool as $crate::__private::ExportedTool>::TOOL),+],
        );

        #[allow(unsafe_code, long_running_const_eval, reason = "a custom section is named by an unsafe attribute")]
        const _: () = {
            const LENGTH: usize = SKILL.manifest_length();
            #[cfg(target_family = "wasm")]
            #[unsafe(link_section = "skillhost_manifest")]
            #[used]
            static MANIFEST: [u8; LENGTH] = SKILL.manifest();
            #[cfg(not(target_family = "wasm"))]
            const _: [u8; LENGTH] = SKILL.manifest();
        };

        $crate::__export_component!();
    };
}

/// Exports the function that the host calls.
#[cfg(target_family = "wasm")]
#[doc(hidden)]
#[macro_export]
macro_rules! __export_component {
    () => {
        #[allow(unsafe_code, reason = "the component model calls through raw pointers")]
        const _: () = {
            use $crate::__private::bindings;

            struct Component;

            impl bindings::exports::skillhost::skill::tools::Guest for Component {
                fn call(
                    tool: ::std::string::String,
                    arguments: ::std::string::String,
                ) -> ::core::result::Result<
                    bindings::skillhost::skill::types::Outcome,
                    bindings::skillhost::skill::types::Error,
                > {
                    bindings::call(&SKILL, &tool, &arguments)
                }
            }

    bindings::export!(Component with_types_in bindings);
        };
    };
}

/// Natively there is no host that calls.
#[cfg(not(target_family = "wasm"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __export_component {
    () => {};
}
