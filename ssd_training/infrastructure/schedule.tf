# When: an apply registers the experiments, starts the machines, and says when the last one ends.
resource "terraform_data" "queue" {
  # A name may also start at the package's config root: there is no such file here then.
  triggers_replace = [
    aws_dynamodb_table.ledger.id,
    var.git_commit,
    [for path in var.experiments : fileexists(path) ? filesha256(path) : path],
  ]

  provisioner "local-exec" {
    command     = length(var.experiments) == 0 ? "true" : "python3 -m ssd_training.ledger register --table_name ${aws_dynamodb_table.ledger.name} --region ${var.region} ${join(" ", var.experiments)}"
    environment = { GIT_COMMIT = var.git_commit }
  }
}

# Moves on with every apply, which starts the machines anew, too.
resource "aws_autoscaling_schedule" "deadline" {
  scheduled_action_name  = "deadline"
  autoscaling_group_name = aws_autoscaling_group.workers.name
  start_time             = timeadd(plantimestamp(), "${var.stop_after_hours}h")
  min_size               = 0
  max_size               = 0
  desired_capacity       = 0
}
