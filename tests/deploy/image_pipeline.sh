# What image_inside.sh does with the pipeline's image: everything in one process, asked over HTTP.
folder=facerecog-data
environment=

serve() {
    run all
}

is_ready() {
    run health 127.0.0.1:8000 && run health 127.0.0.1:8081
}

# A photo is sent, and looked at until it is settled.
person_on() {
    id=$(curl --silent --show-error --fail --header 'accept: application/json' --form "photo=@$root/examples/$1" \
        http://127.0.0.1:8000/images | sed -E 's/.*"id":([0-9]+).*/\1/')
    for _ in $(seq 100); do
        page=$(curl --silent --show-error --fail "http://127.0.0.1:8081/photos/$id") || return 1
        case $page in
            *'class="status failed"'*) echo not_found; return ;;
            *'class="status processed"'*) echo "$page" | sed -nE 's|.*<dt>Person</dt><dd>(.*)</dd>.*|\1.jpg|p'; return ;;
        esac
        sleep 0.1
    done
    echo "photo $id is not settled" >&2
    return 1
}
