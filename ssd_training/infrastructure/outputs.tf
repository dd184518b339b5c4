# What to type next.
output "ledger" {
  description = "Shows the queue from anywhere with the right to the table."
  value       = "python -m ssd_training.ledger list --table_name ${aws_dynamodb_table.ledger.name} --region ${var.region}"
}

output "data_url" {
  description = "Where the data set goes: aws s3 sync /data <this>."
  value       = "s3://${aws_s3_bucket.all["data"].bucket}/${var.dataset_prefix}"
}

output "checkpoints_url" {
  description = "Where the runs are: train --run_from <this>/<run>."
  value       = "s3://${aws_s3_bucket.all["checkpoints"].bucket}/runs"
}

output "machine_logs_url" {
  description = "What each machine said from its start to its end."
  value       = "s3://${aws_s3_bucket.all["checkpoints"].bucket}/machines"
}

output "stop_now" {
  description = "Ends all machines; each saves and uploads first."
  value       = "aws autoscaling set-desired-capacity --auto-scaling-group-name ${aws_autoscaling_group.workers.name} --desired-capacity 0 --region ${var.region}"
}

output "deadline" {
  description = "When the machines of this queue end, UTC."
  value       = aws_autoscaling_schedule.deadline.start_time
}
