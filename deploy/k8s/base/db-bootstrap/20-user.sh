# Read by the database's first start. The services have a user of their own, who may do nothing outside of
# the database `kube`: its name and password are the two halves of the secret that the services get.
IFS=: read -r user password <"${MYSQL_USERPASSWORD_FILE:?}" || [ -n "$password" ]
# In single quotes, where SQL knows the quote and the backslash as more than themselves.
quoted() { printf '%s' "$1" | sed 's/[\\'\'']/\\&/g'; }
docker_process_sql <<SQL
create user '$(quoted "$user")'@'%' identified by '$(quoted "$password")';
grant all on kube.* to '$(quoted "$user")'@'%';
SQL
unset user password
