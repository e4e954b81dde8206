//! Guests for the tests of the host: each example is a component with one
//! behaviour. A `.toml` beside it says what its manifest asks for.
