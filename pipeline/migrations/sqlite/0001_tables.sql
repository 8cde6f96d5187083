-- The original system's tables, as it has them on MySQL.
create table if not exists images (
    id integer primary key autoincrement,
    -- SQLite heeds no length in the type.
    path varchar(255) not null check (length(path) <= 255),
    person int,
    status int
);
create table if not exists person (
    id integer primary key autoincrement,
    name varchar(255) not null check (length(name) <= 255)
);
create table if not exists person_images (
    id integer primary key autoincrement,
    image_name varchar(255),
    person_id int
);
create index if not exists facerecog_path on images (path);
create index if not exists facerecog_status on images (status);
create index if not exists facerecog_image_name on person_images (image_name);

-- What ours know of a photo besides. Times are milliseconds since 1970, by the database's clock.
create table if not exists image_work (
    image_id integer primary key,
    -- Status that the row of images had at `since`; another one there was written by an original service.
    status int not null,
    since bigint not null,
    attempts int not null default 0,
    -- Grows with each change of hands: whoever claimed under another number has lost the photo.
    claims bigint not null default 0,
    lease_until bigint,
    not_before bigint,
    reason text,
    width int,
    height int
);
create index if not exists image_work_since on image_work (since);

create table if not exists image_faces (
    image_id integer not null,
    position int not null,
    x double not null,
    y double not null,
    width double not null,
    height double not null,
    score double not null,
    image_name text,
    person text,
    similarity double,
    -- 1 for the face that the person was told by.
    told int not null default 0,
    primary key (image_id, position)
);

-- Photos that are stored and whose ids may not be queued yet.
create table if not exists outbox (
    image_id integer primary key,
    since bigint not null
);
create index if not exists outbox_since on outbox (since);
