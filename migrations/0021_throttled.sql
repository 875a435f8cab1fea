-- How many requests a plan's rate limits were asked about in an hour of UTC, and how many of them they refused: what the page of
-- usage shows. A subject is as in `admissions`.
create table throttled (
  subject text not null,
  -- Hours since 1970.
  hour bigint not null,
  asked bigint not null,
  refused bigint not null,
  primary key (subject, hour)
);
create index throttled_hour on throttled (hour);
