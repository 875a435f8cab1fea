//! The few spellings that SQLite lacks.
use super::Dialect;
use std::{
    borrow::Cow,
    collections::BTreeMap,
    sync::{PoisonError, RwLock},
};

/// A statement as the engine spells it. Each is spelled once: statements are literals, so there are only so many.
pub fn translate(sql: &'static str, dialect: Dialect) -> &'static str {
    static SPELLED: RwLock<BTreeMap<(usize, usize), &'static str>> = RwLock::new(BTreeMap::new());
    if dialect == Dialect::Postgres {
        return sql;
    }
    let at = (sql.as_ptr().addr(), sql.len());
    if let Some(had) = SPELLED.read().unwrap_or_else(PoisonError::into_inner).get(&at) {
        return had;
    }
    let text = match lite(sql) {
        Cow::Borrowed(text) => text,
        Cow::Owned(text) => text.leak(),
    };
    SPELLED.write().unwrap_or_else(PoisonError::into_inner).insert(at, text);
    text
}

fn lite(sql: &'static str) -> Cow<'static, str> {
    let sql = LOCKS.iter().fold(sql, |sql, lock| sql.strip_suffix(lock).unwrap_or(sql));
    if !MARKS.iter().any(|it| sql.contains(it)) {
        return sql.into();
    }
    let sql = elements(recordset(sql));
    let mut text = SPELLINGS.iter().fold(sql, |text, (theirs, ours)| text.replace(theirs, ours));
    for n in 1..=9 {
        let one = format!("= any(${n}::text[])");
        text = text.replace(&one, &format!("in (select value from json_each(${n}))"));
        let one = format!("= any(${n}::uuid[])");
        text = text.replace(&one, &format!("in (select unhex(value) from json_each(${n}))"));
    }
    text.into()
}

/// As Postgres says it, as SQLite says it. The id is in 32 hexadecimal digits; rows come in
/// as one JSON array.
const SPELLINGS: &[(&str, &str)] = &[
    ("json_agg(", "json_group_array("),
    ("json_build_object(", "json_object("),
    ("encode(uuid_send(", "lower(hex("),
    ("), 'hex')", "))"),
];

/// What gives away that a statement needs another spelling.
const MARKS: &[&str] = &["any($", "json_agg(", "uuid_send(", "json_array_elements(", "json_to_recordset("];

/// Many rows in one value: `json_to_recordset($1::json) as e(name type, …)`.
fn recordset(sql: &str) -> String {
    let parts = || {
        let (before, rest) = sql.split_once("json_to_recordset(")?;
        let (value, rest) = rest.split_once("::json) as ")?;
        let (alias, rest) = rest.split_once('(')?;
        let (columns, after) = rest.split_once(')')?;
        Some((before, value, alias, columns, after))
    };
    let Some((before, value, alias, columns, after)) = parts() else { return sql.to_owned() };
    let column = |it: &str| match it.trim().split_once(' ') {
        Some((name, "uuid")) => format!("unhex(value ->> '{name}') as {name}"),
        Some((name, _)) => format!("value ->> '{name}' as {name}"),
        None => it.to_owned(),
    };
    let columns: Vec<String> = columns.split(',').map(column).collect();
    format!("{before}(select {} from json_each({value})) {alias}{after}", columns.join(", "))
}

/// What stands in an array by its number: `json_array_elements(cast($1 as json)) as e(value)`, `cast(e.value ->> 0 as uuid)`.
fn elements(mut sql: String) -> String {
    let between = |sql: &str, begin: &str, end: &str| {
        let at = sql.find(begin)?;
        let long = sql[at + begin.len()..].find(end)?;
        Some((at, sql[at + begin.len()..at + begin.len() + long].to_owned()))
    };
    while let Some((at, inner)) = between(&sql, "json_array_elements(cast(", "(value)") {
        let (value, alias) = inner.split_once(" as json)) as ").unwrap_or((&inner, ""));
        let whole = at..at + "json_array_elements(cast(".len() + inner.len() + "(value)".len();
        sql.replace_range(whole, &format!("json_each({value}) as {alias}"));
    }
    while let Some(end) = sql.find(" as uuid)") {
        let begin = sql[..end].rfind("cast(").filter(|at| sql[*at..end].contains("->>"));
        let Some(begin) = begin else { break };
        sql.replace_range(end..end + " as uuid)".len(), ")");
        sql.replace_range(begin..begin + "cast(".len(), "unhex(");
    }
    sql
}

/// SQLite has one writer: who may write has locked all.
const LOCKS: &[&str] = &[" for update skip locked", " for no key update", " for update", " for share"];

/// The highest `$n`.
pub fn highest(sql: &str) -> usize {
    let number = |it: &str| {
        let digits: String = it.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap_or(0)
    };
    sql.split('$').skip(1).map(number).max().unwrap_or(0)
}

/// A migration as the engine spells it. Types are spelled the Postgres way; a line that starts with `--pg ` or `--lite `
/// is for that engine alone.
pub fn ddl(text: &str, dialect: Dialect) -> String {
    let (ours, theirs) = match dialect {
        Dialect::Postgres => ("--pg ", "--lite "),
        Dialect::Sqlite => ("--lite ", "--pg "),
    };
    let lines = text.lines().map(str::trim_start).filter(|it| !it.starts_with(theirs));
    let lines = lines.map(|it| it.strip_prefix(ours).unwrap_or(it)).filter(|it| !it.starts_with("--"));
    let text = lines.collect::<Vec<_>>().join("\n");
    if dialect == Dialect::Postgres {
        return text;
    }
    let strict = |it: &str| match it.trim_start().starts_with("create table") {
        true => it.replace(';', " strict;"),
        false => it.to_owned(),
    };
    // SQLite compares text byte by byte of its own accord.
    let types = [
        (" uuid", " blob"),
        (" bytea", " blob"),
        (" bigint", " integer"),
        (" boolean", " integer"),
        (" collate \"C\"", ""),
    ];
    let statements = text.split_inclusive(';').map(strict);
    statements.map(|it| types.iter().fold(it, |it, (pg, lite)| it.replace(pg, lite))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlite_reads_what_is_written_for_postgres() {
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
    fn a_migration_is_spelled_for_each_engine() {
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
