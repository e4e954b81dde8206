//! Tables that are nothing else.

/// Has these types read from a table alone. What `serde` derives takes a list for
/// the fields in their order too, and so `tools = []` for no rule at all, where it
/// was meant for no tool. The types are their own `remote`.
macro_rules! only_as_table {
    ($($table:ty),+) => {$(
        impl<'de> serde::Deserialize<'de> for $table {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Fields;

                impl<'de> serde::de::Visitor<'de> for Fields {
                    type Value = $table;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("a table")
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(
                        self,
                        fields: A,
                    ) -> Result<Self::Value, A::Error> {
                        <$table>::deserialize(serde::de::value::MapAccessDeserializer::new(fields))
                    }
                }

                deserializer.deserialize_map(Fields)
            }
        }
    )+};
}
