//! The schemas of the types that Rust and serde bring along.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::num::{NonZeroU8, NonZeroU16, NonZeroU32, NonZeroU64, NonZeroUsize};

use super::{Node, Schema};

macro_rules! schemas {
    ($($type:ty => $node:expr;)+) => {
        $(impl Schema for $type { const NODE: Node = $node; })+
    };
}

const fn integer(minimum: Option<i128>, maximum: Option<i128>) -> Node {
    Node::Integer { minimum, maximum }
}

// Bounds of 64 bits and more are left out: many JSON parsers hold numbers as
// doubles and would round them.
schemas! {
    bool => Node::Boolean;
    u8 => integer(Some(0), Some(u8::MAX as i128));
    u16 => integer(Some(0), Some(u16::MAX as i128));
    u32 => integer(Some(0), Some(u32::MAX as i128));
    u64 => integer(Some(0), None);
    u128 => integer(Some(0), None);
    usize => integer(Some(0), None);
    i8 => integer(Some(i8::MIN as i128), Some(i8::MAX as i128));
    i16 => integer(Some(i16::MIN as i128), Some(i16::MAX as i128));
    i32 => integer(Some(i32::MIN as i128), Some(i32::MAX as i128));
    i64 => integer(None, None);
    i128 => integer(None, None);
    isize => integer(None, None);
    NonZeroU8 => integer(Some(1), Some(u8::MAX as i128));
    NonZeroU16 => integer(Some(1), Some(u16::MAX as i128));
    NonZeroU32 => integer(Some(1), Some(u32::MAX as i128));
    NonZeroU64 => integer(Some(1), None);
    NonZeroUsize => integer(Some(1), None);
    f32 => Node::Number;
    f64 => Node::Number;
    char => Node::Character;
    str => Node::String;
    String => Node::String;
    Cow<'_, str> => Node::String;
    serde_json::Value => Node::Any;
}

impl<T: Schema + ?Sized> Schema for &T {
    const NODE: Node = T::NODE;
}

impl<T: Schema + ?Sized> Schema for Box<T> {
    const NODE: Node = T::NODE;
}

impl<T: Schema> Schema for Option<T> {
    const NODE: Node = Node::Nullable { inner: &T::NODE };
}

impl<T: Schema> Schema for [T] {
    const NODE: Node = Node::Array {
        items: &T::NODE,
        unique: false,
        length: None,
    };
}

impl<T: Schema> Schema for Vec<T> {
    const NODE: Node = <[T]>::NODE;
}

impl<T: Schema, const N: usize> Schema for [T; N] {
    const NODE: Node = Node::Array {
        items: &T::NODE,
        unique: false,
        length: Some(N),
    };
}

impl<T: Schema> Schema for BTreeSet<T> {
    const NODE: Node = Node::Array {
        items: &T::NODE,
        unique: true,
        length: None,
    };
}

impl<T: Schema, S> Schema for HashSet<T, S> {
    const NODE: Node = Node::Array {
        items: &T::NODE,
        unique: true,
        length: None,
    };
}

impl<T: Schema> Schema for BTreeMap<String, T> {
    const NODE: Node = Node::Map { values: &T::NODE };
}

impl<T: Schema, S> Schema for HashMap<String, T, S> {
    const NODE: Node = Node::Map { values: &T::NODE };
}

macro_rules! tuples {
    ($(($($item:ident)+))+) => {
        $(impl<$($item: Schema),+> Schema for ($($item,)+) {
            const NODE: Node = Node::Tuple { items: &[$(&$item::NODE),+] };
        })+
    };
}

tuples! {
    (A)
    (A B)
    (A B C)
    (A B C D)
    (A B C D E)
    (A B C D E F)
}
