-- The most that one window of a rate limit held on a day (UTC): what the page of the plan shows. A subject is as in `admissions`.
create table busiest (
  subject text not null,
  day bigint not null,
  -- The limit's window, in seconds.
  span bigint not null,
  most bigint not null,
  primary key (subject, day, span)
);
create index busiest_day on busiest (day);
