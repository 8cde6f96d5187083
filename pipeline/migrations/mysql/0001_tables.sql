-- The original system's tables, where it has not made them.
create table if not exists images (
    id int not null auto_increment primary key,
    path varchar(255) not null,
    person int,
    status int
) engine = InnoDB default charset = utf8mb4;
create table if not exists person (
    id int not null auto_increment primary key,
    name varchar(255) not null
) engine = InnoDB default charset = utf8mb4;
create table if not exists person_images (
    id int not null auto_increment primary key,
    image_name varchar(255),
    person_id int
) engine = InnoDB default charset = utf8mb4;

-- MySQL has no `create index if not exists`. 191 characters fit every row format.
set @missing = (select count(*) = 0 from information_schema.statistics
    where table_schema = database() and table_name = 'images' and index_name = 'facerecog_path');
set @statement = if(@missing, 'create index facerecog_path on images (path(191))', 'do 0');
prepare statement from @statement;
execute statement;
deallocate prepare statement;
set @missing = (select count(*) = 0 from information_schema.statistics
    where table_schema = database() and table_name = 'images' and index_name = 'facerecog_status');
set @statement = if(@missing, 'create index facerecog_status on images (status)', 'do 0');
prepare statement from @statement;
execute statement;
deallocate prepare statement;
set @missing = (select count(*) = 0 from information_schema.statistics
    where table_schema = database() and table_name = 'person_images' and index_name = 'facerecog_image_name');
set @statement = if(@missing, 'create index facerecog_image_name on person_images (image_name(191))', 'do 0');
prepare statement from @statement;
execute statement;
deallocate prepare statement;

-- What ours know of a photo besides. Times are milliseconds since 1970, by the database's clock.
create table if not exists image_work (
    image_id bigint not null primary key,
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
    height int,
    index image_work_since (since)
) engine = InnoDB default charset = utf8mb4;

create table if not exists image_faces (
    image_id bigint not null,
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
) engine = InnoDB default charset = utf8mb4;

-- Photos that are stored and whose ids may not be queued yet.
create table if not exists outbox (
    image_id bigint not null primary key,
    since bigint not null,
    index outbox_since (since)
) engine = InnoDB default charset = utf8mb4;

-- Names that a transaction is about to store: a row lasts as long as its transaction, and lets it alone store the name.
create table if not exists name_locks (
    name varbinary(1100) not null primary key
) engine = InnoDB row_format = dynamic;
