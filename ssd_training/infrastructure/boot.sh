# The work of a machine from its first second to its last: image, data, the ledger's worker, and
# off. Terraform writes the settings before this (machines.tf).
#
# However it ends, the machine is gone afterwards. The group starts another one only for one that
# was interrupted: after a fault, or with nothing left to do, the next would end as this one did.
set -Eeuo pipefail
shopt -s inherit_errexit
# To be tried elsewhere, these can be set.
IMDS=${IMDS:-http://169.254.169.254}
FOLDER=${FOLDER:-/srv}
LOG=${LOG:-/var/log/ssd_worker.log}
PAUSE_S=${PAUSE_S:-10}
# Of the two minutes that EC2 gives; the last upload takes up to 90 s.
STOP_TIMEOUT_S=110
INTERRUPTED=143
USER_OF_IMAGE=10001
instance=unknown

say() { echo "$(date -u +%FT%TZ) $instance: $*"; }

# Calls of the AWS CLI end by themselves.
aws_soon() { aws --cli-connect-timeout 10 --cli-read-timeout 20 "$@"; }

retry() { # command ...
  local attempt
  for attempt in 1 2 3 4 5; do
    "$@" && return
    say "attempt $attempt of 5 failed: $*"
    sleep "$PAUSE_S"
  done
  return 1
}

end() { # exit status of what went before
  set +eu
  trap - EXIT
  trap '' TERM INT
  say "ends with status $1"
  aws_soon s3 cp --only-show-errors "$LOG" "$LOG_URL/$instance.log"
  if [ "$1" -ne $INTERRUPTED ]; then
    retry aws_soon autoscaling terminate-instance-in-auto-scaling-group \
      --instance-id "$instance" --should-decrement-desired-capacity
  fi
  shutdown -h now
}

trap 'end $?' EXIT
trap 'exit $INTERRUPTED' TERM INT
exec >>"$LOG" 2>&1
# Whatever becomes of this script, such as being killed.
shutdown -h "+$((STOP_AFTER_HOURS * 60))"

token=$(curl -fsS -m 5 --retry 5 -X PUT "$IMDS/latest/api/token" \
  -H 'X-aws-ec2-metadata-token-ttl-seconds: 300')
instance=$(curl -fsS -m 5 --retry 5 "$IMDS/latest/meta-data/instance-id" \
  -H "X-aws-ec2-metadata-token: $token")
say "image $IMAGE, data $DATASET_URL, runs to $CHECKPOINT_BUCKET"

install -d "$FOLDER/data"
install -d -o $USER_OF_IMAGE "$FOLDER/runs"
if [ -n "$LOG_IN_TO_ECR" ]; then
  aws_soon ecr get-login-password |
    docker login --username AWS --password-stdin "${IMAGE%%/*}"
fi
retry docker pull --quiet "$IMAGE"
retry aws s3 sync --only-show-errors "$DATASET_URL" "$FOLDER/data"

# The host's network: IMDSv2 answers one hop away only, with the role's keys and the spot notice.
docker run --rm --init --name worker --gpus all --network host --stop-timeout $STOP_TIMEOUT_S \
  --volume "$FOLDER/data:/data:ro" --volume "$FOLDER/runs:/runs" \
  --env AWS_DEFAULT_REGION --env CHECKPOINT_BUCKET --env DYNAMODB_EXPERIMENT_TABLE \
  --env GIT_COMMIT --env SSD_WORKER_NAME="$instance" "$IMAGE" ssd_training.ledger run &
# Bash hands no signal on to what it waits for.
trap 'docker stop worker; exit $INTERRUPTED' TERM INT
wait $!
