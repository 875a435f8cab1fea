//! Traits for what both engines can bind and decode.
use sqlx::{
    Database, Encode, FromRow, Postgres, Sqlite, Type, encode::IsNull, error::BoxDynError, postgres::PgRow,
    sqlite::SqliteRow,
};
use uuid::Uuid;

pub trait Value<'q>: Encode<'q, Sqlite> + Type<Sqlite> + Encode<'q, Postgres> + Type<Postgres> {}
impl<'q, T> Value<'q> for T where T: Encode<'q, Sqlite> + Type<Sqlite> + Encode<'q, Postgres> + Type<Postgres> {}

/// One `#[derive(sqlx::FromRow)]` gives both halves.
pub trait Record: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}
impl<T> Record for T where T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

/// The argument of `x = any($1::text[])` and `x = any($1::uuid[])`: an array on Postgres, JSON text on SQLite.
pub struct List<'a, T>(pub &'a [T]);

macro_rules! list {
    ($T:ty, $text:expr) => {
        impl Type<Sqlite> for List<'_, $T> {
            fn type_info() -> <Sqlite as Database>::TypeInfo {
                <String as Type<Sqlite>>::type_info()
            }
        }
        impl Type<Postgres> for List<'_, $T> {
            fn type_info() -> <Postgres as Database>::TypeInfo {
                <Vec<$T> as Type<Postgres>>::type_info()
            }
        }
        impl Encode<'_, Sqlite> for List<'_, $T> {
            fn encode_by_ref(
                &self,
                buf: &mut <Sqlite as Database>::ArgumentBuffer,
            ) -> Result<IsNull, BoxDynError> {
                let texts: Vec<String> = self.0.iter().map($text).collect();
                Encode::<Sqlite>::encode(serde_json::to_string(&texts)?, buf)
            }
        }
        impl Encode<'_, Postgres> for List<'_, $T> {
            fn encode_by_ref(
                &self,
                buf: &mut <Postgres as Database>::ArgumentBuffer,
            ) -> Result<IsNull, BoxDynError> {
                <&[$T] as Encode<Postgres>>::encode_by_ref(&self.0, buf)
            }
        }
    };
}
list!(String, Clone::clone);
list!(Uuid, |id: &Uuid| id.simple().to_string());
