-- The tables and rows that the original system begins with. What our services need besides, they add themselves.
create database if not exists kube;
use kube;

create table if not exists images (
    id int not null auto_increment primary key,
    path varchar(255) not null,
    person int,
    status int
);

create table if not exists person (
    id int not null auto_increment primary key,
    name varchar(255) not null
);

create table if not exists person_images (
    id int not null auto_increment primary key,
    image_name varchar(255) not null,
    person_id int not null
);

insert into person (id, name) values (1, 'Hannibal'), (2, 'Skarlso'), (3, 'John Doe'), (4, 'Gergely');

insert into person_images (image_name, person_id) values
    ('hannibal_1.jpg', 1),
    ('hannibal_2.jpg', 1),
    ('skarlso_1.jpg', 2),
    ('skarlso_2.jpg', 2),
    ('john_doe_1.jpg', 3),
    ('gergely_01.jpg', 4);
