//! A serde format of one level: keys, and values as plain text.

use std::fmt::{self, Display};
use std::str::FromStr;

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeSeed, Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

/// All settings of a plugin.
pub(super) struct Settings<'a>(pub(super) &'a [(&'a str, &'a str)]);

/// What is wrong with a setting.
#[derive(Debug)]
pub(super) struct ReadError(String);

impl Display for ReadError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for ReadError {}

impl de::Error for ReadError {
    fn custom<T: Display>(text: T) -> ReadError {
        ReadError(text.to_string())
    }
}

impl<'a, 'de> Deserializer<'de> for Settings<'a> {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_map(Pairs { rest: self.0.iter(), value: None })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct Pairs<'a> {
    rest: std::slice::Iter<'a, (&'a str, &'a str)>,
    value: Option<(&'a str, &'a str)>,
}

impl<'de> de::MapAccess<'de> for Pairs<'_> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ReadError> {
        self.value = self.rest.next().copied();
        let Some((key, _)) = self.value else { return Ok(None) };
        let key: StrDeserializer<'_, ReadError> = key.into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ReadError> {
        let (key, text) =
            self.value.take().ok_or_else(|| ReadError("a value was read before its key".into()))?;
        seed.deserialize(Value(text)).map_err(|ReadError(what)| {
            // `which is not a u8: …` reads on; everything else is a sentence of its own.
            let joint = if what.starts_with("which is") { "," } else { ":" };
            ReadError(format!("setting {key:?} is {text:?}{joint} {what}"))
        })
    }
}

/// One value, as text.
struct Value<'a>(&'a str);

impl Value<'_> {
    fn parse<T: FromStr>(&self) -> Result<T, ReadError> {
        self.0.parse().map_err(|_| ReadError(self.what_it_is_not(std::any::type_name::<T>())))
    }

    fn what_it_is_not(&self, kind: &str) -> String {
        match kind {
            "bool" => "which is neither true nor false".to_owned(),
            "char" => "which is not one character".to_owned(),
            "f32" | "f64" => "which is no number; write it as in 0.5".to_owned(),
            _ if self.0.parse::<i128>().is_ok() || self.0.parse::<u128>().is_ok() => {
                format!("which is not a {kind}: it is out of its range")
            }
            _ => "which is no whole number".to_owned(),
        }
    }
}

macro_rules! parsed {
    ($($method:ident $visit:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
            visitor.$visit(self.parse()?)
        }
    )*};
}

impl<'de> Deserializer<'de> for Value<'_> {
    type Error = ReadError;

    parsed! {
        deserialize_bool visit_bool deserialize_char visit_char
        deserialize_i8 visit_i8 deserialize_i16 visit_i16 deserialize_i32 visit_i32
        deserialize_i64 visit_i64 deserialize_i128 visit_i128
        deserialize_u8 visit_u8 deserialize_u16 visit_u16 deserialize_u32 visit_u32
        deserialize_u64 visit_u64 deserialize_u128 visit_u128
        deserialize_f32 visit_f32 deserialize_f64 visit_f64
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_str(self.0)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let parts = self.0.split(',').filter(|_| !self.0.is_empty());
        visitor.visit_seq(de::value::SeqDeserializer::new(parts.map(Value)))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let variant: StrDeserializer<'_, ReadError> = self.0.into_deserializer();
        visitor.visit_enum(variant)
    }

    forward_to_deserialize_any! {
        str string bytes byte_buf unit unit_struct tuple_struct map struct identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de, ReadError> for Value<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}
