# What image_inside.sh does with the recognizer's image.
folder=index
# As deploy/Dockerfile has it.
environment="KNOWN_PEOPLE=/known_people FACERECOG_INDEX=/index FACERECOG_IMAGE_ROOTS=/unknown_people"

serve() {
    run serve
}

is_ready() {
    run call health
}

person_on() {
    answer=$(run call identify "/unknown_people/$1") && echo "${answer##*: }"
}
