//! Translates statements: predicates into what they mean, and the Postgres dialect into SQLite's.
use super::{Dialect, predicates::expand};
use std::{
    borrow::Cow,
    collections::BTreeMap,
    sync::{PoisonError, RwLock},
};

/// Translates a statement. Translations are cached by the address of the literal and leaked: there are as many as literals.
pub fn translate(sql: &'static str, dialect: Dialect) -> &'static str {
    type Literal = (usize, usize, Dialect);
    static TRANSLATED: RwLock<BTreeMap<Literal, &'static str>> = RwLock::new(BTreeMap::new());
    let at = (sql.as_ptr().addr(), sql.len(), dialect);
    if let Some(text) = TRANSLATED.read().unwrap_or_else(PoisonError::into_inner).get(&at) {
        return text;
    }
    let expanded: &'static str = match expand(sql) {
        Cow::Borrowed(text) => text,
        Cow::Owned(text) => text.leak(),
    };
    let text = match dialect {
        Dialect::Postgres => Cow::Borrowed(expanded),
        Dialect::Sqlite => to_sqlite(expanded),
    };
    let text = match text {
        Cow::Borrowed(text) => text,
        Cow::Owned(text) => text.leak(),
    };
    TRANSLATED.write().unwrap_or_else(PoisonError::into_inner).insert(at, text);
    text
}

fn to_sqlite(sql: &'static str) -> Cow<'static, str> {
    let sql = LOCKS.iter().fold(sql, |sql, lock| sql.strip_suffix(lock).unwrap_or(sql));
    if !TRIGGERS.iter().any(|trigger| sql.contains(trigger)) {
        return sql.into();
    }
    let sql = elements(recordset(sql));
    let mut text = REPLACEMENTS.iter().fold(sql, |text, (postgres, sqlite)| text.replace(postgres, sqlite));
    for n in 1..=9 {
        let one = format!("= any(${n}::text[])");
        text = text.replace(&one, &format!("in (select value from json_each(${n}))"));
        let one = format!("= any(${n}::uuid[])");
        text = text.replace(&one, &format!("in (select unhex(value) from json_each(${n}))"));
    }
    text.into()
}

/// Postgres, SQLite. Ids within JSON are 32 hexadecimal digits.
const REPLACEMENTS: &[(&str, &str)] = &[
    ("json_agg(", "json_group_array("),
    ("json_build_object(", "json_object("),
    ("encode(uuid_send(", "lower(hex("),
    ("), 'hex')", "))"),
];

/// A statement without any of these is the same on both engines.
const TRIGGERS: &[&str] = &["any($", "json_agg(", "uuid_send(", "json_array_elements(", "json_to_recordset("];

/// Translates `json_to_recordset($1::json) as e(name type, …)`.
fn recordset(sql: &str) -> String {
    let parts = || {
        let (before, rest) = sql.split_once("json_to_recordset(")?;
        let (value, rest) = rest.split_once("::json) as ")?;
        let (alias, rest) = rest.split_once('(')?;
        let (columns, after) = rest.split_once(')')?;
        Some((before, value, alias, columns, after))
    };
    let Some((before, value, alias, columns, after)) = parts() else { return sql.to_owned() };
    let column = |column: &str| match column.trim().split_once(' ') {
        Some((name, "uuid")) => format!("unhex(value ->> '{name}') as {name}"),
        Some((name, _)) => format!("value ->> '{name}' as {name}"),
        None => column.to_owned(),
    };
    let columns: Vec<String> = columns.split(',').map(column).collect();
    format!("{before}(select {} from json_each({value})) {alias}{after}", columns.join(", "))
}

/// Translates `json_array_elements(cast($1 as json)) as e(value)` and `cast(e.value ->> 0 as uuid)`.
fn elements(mut sql: String) -> String {
    let between = |sql: &str, begin: &str, end: &str| {
        let at = sql.find(begin)?;
        let long = sql[at + begin.len()..].find(end)?;
        Some((at, sql[at + begin.len()..at + begin.len() + long].to_owned()))
    };
    while let Some((at, inner)) = between(&sql, "json_array_elements(cast(", "(value)") {
        let (value, alias) = inner.split_once(" as json)) as ").unwrap_or((&inner, ""));
        let range = at..at + "json_array_elements(cast(".len() + inner.len() + "(value)".len();
        sql.replace_range(range, &format!("json_each({value}) as {alias}"));
    }
    while let Some(end) = sql.find(" as uuid)") {
        let begin = sql[..end].rfind("cast(").filter(|at| sql[*at..end].contains("->>"));
        let Some(begin) = begin else { break };
        sql.replace_range(end..end + " as uuid)".len(), ")");
        sql.replace_range(begin..begin + "cast(".len(), "unhex(");
    }
    sql
}

/// SQLite has one writer, whose transaction locks the whole database.
const LOCKS: &[&str] = &[" for update skip locked", " for no key update", " for update", " for share"];

/// The highest placeholder `$n`.
pub fn highest(sql: &str) -> usize {
    let number = |part: &str| {
        let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap_or(0)
    };
    sql.split('$').skip(1).map(number).max().unwrap_or(0)
}

/// Translates a migration, which is written with the types of Postgres. A line that starts with `--pg ` or `--lite ` is for
/// that engine only.
pub fn ddl(text: &str, dialect: Dialect) -> String {
    let (ours, theirs) = match dialect {
        Dialect::Postgres => ("--pg ", "--lite "),
        Dialect::Sqlite => ("--lite ", "--pg "),
    };
    let lines = text.lines().map(str::trim_start).filter(|line| !line.starts_with(theirs));
    let lines =
        lines.map(|line| line.strip_prefix(ours).unwrap_or(line)).filter(|line| !line.starts_with("--"));
    let text = lines.collect::<Vec<_>>().join("\n");
    if dialect == Dialect::Postgres {
        return text;
    }
    let strict = |statement: &str| match statement.trim_start().starts_with("create table") {
        true => statement.replace(';', " strict;"),
        false => statement.to_owned(),
    };
    // SQLite compares text byte by byte by default.
    let types = [
        (" uuid", " blob"),
        (" bytea", " blob"),
        (" bigint", " integer"),
        (" boolean", " integer"),
        (" collate \"C\"", ""),
    ];
    let statements = text.split_inclusive(';').map(strict);
    statements
        .map(|statement| {
            types.iter().fold(statement, |statement, (postgres, sqlite)| statement.replace(postgres, sqlite))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_translated_for_sqlite() {
        let lite = |sql| translate(sql, Dialect::Sqlite).to_owned();
        assert_eq!(lite("select 1 for no key update"), "select 1");
        assert_eq!(lite("a = any($2::text[])"), "a in (select value from json_each($2))");
        assert_eq!(lite("json_agg(encode(uuid_send(r.id), 'hex'))"), "json_group_array(lower(hex(r.id)))");
        assert_eq!(
            lite("select e.id from json_to_recordset($1::json) as e(id uuid, at bigint) where true"),
            "select e.id from (select unhex(value ->> 'id') as id, value ->> 'at' as at from json_each($1)) e where true"
        );
        assert_eq!(
            lite(
                "select cast(e.value ->> 0 as uuid) from json_array_elements(cast($2 as json)) as e(value) where true"
            ),
            "select unhex(e.value ->> 0) from json_each($2) as e where true"
        );
        assert_eq!(highest("$1 $12 $3"), 12);
    }

    #[test]
    fn migrations_are_translated_for_each_engine() {
        let text = "-- why\ncreate table t (id uuid primary key\n--lite , x text\n);\n--pg alter table t add x text;\ncreate index i on t (x);";
        assert_eq!(
            ddl(text, Dialect::Sqlite),
            "create table t (id blob primary key\n, x text\n) strict;\ncreate index i on t (x);"
        );
        assert_eq!(
            ddl(text, Dialect::Postgres),
            "create table t (id uuid primary key\n);\nalter table t add x text;\ncreate index i on t (x);"
        );
    }
}
