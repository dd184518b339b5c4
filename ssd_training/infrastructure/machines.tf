# The machines: spot, from a launch template, as many as there is work for.
locals {
  group_name = "${var.name}-workers"

  # What boot.sh reads.
  settings = {
    AWS_DEFAULT_REGION        = var.region
    CHECKPOINT_BUCKET         = "s3://${aws_s3_bucket.all["checkpoints"].bucket}/runs"
    DATASET_URL               = "s3://${aws_s3_bucket.all["data"].bucket}/${var.dataset_prefix}"
    DYNAMODB_EXPERIMENT_TABLE = aws_dynamodb_table.ledger.name
    GIT_COMMIT                = var.git_commit
    IMAGE                     = var.image
    LOG_URL                   = "s3://${aws_s3_bucket.all["checkpoints"].bucket}/machines"
    LOG_IN_TO_ECR             = var.ecr_repository_arn == null ? "" : "yes"
    STOP_AFTER_HOURS          = var.stop_after_hours
  }

  user_data = join("\n", concat(
    ["#!/bin/bash"],
    [for name, value in local.settings : "export ${name}='${value}'"],
    [file("${path.module}/boot.sh")],
  ))
}

# NVIDIA's driver, Docker with its runtime and the AWS CLI are on it.
data "aws_ssm_parameter" "machine_image" {
  name = "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-22.04/latest/ami-id"
}

resource "aws_launch_template" "worker" {
  # checkov:skip=CKV_AWS_88: the way out of a subnet without a NAT gateway; nothing comes in
  name                                 = "${var.name}-worker"
  update_default_version               = true
  image_id                             = data.aws_ssm_parameter.machine_image.insecure_value
  user_data                            = base64encode(local.user_data)
  instance_initiated_shutdown_behavior = "terminate"

  iam_instance_profile {
    arn = aws_iam_instance_profile.worker.arn
  }

  # The container shares the host's network, so that one hop is enough.
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  block_device_mappings {
    device_name = "/dev/sda1"

    ebs {
      encrypted             = true
      volume_type           = "gp3"
      volume_size           = var.volume_gb
      delete_on_termination = true
    }
  }

  network_interfaces {
    associate_public_ip_address = true
    security_groups             = [aws_security_group.worker.id]
    delete_on_termination       = true
  }

  tag_specifications {
    resource_type = "instance"
    tags          = { Name = "${var.name}-worker", project = var.name }
  }

  tag_specifications {
    resource_type = "volume"
    tags          = { project = var.name }
  }
}

# The spot request. What EC2 takes away is replaced; a machine that has nothing left to do lowers
# the number itself (boot.sh), and the next apply raises it again.
resource "aws_autoscaling_group" "workers" {
  name                = local.group_name
  min_size            = 0
  max_size            = var.num_workers
  desired_capacity    = var.num_workers
  vpc_zone_identifier = local.subnet_ids
  # Spot machines may take hours to be had; apply does not wait for them.
  wait_for_capacity_timeout = "0"

  mixed_instances_policy {
    instances_distribution {
      on_demand_base_capacity                  = 0
      on_demand_percentage_above_base_capacity = 0
      spot_allocation_strategy                 = "price-capacity-optimized"
      spot_max_price                           = var.max_price_usd_per_hour == null ? "" : tostring(var.max_price_usd_per_hour)
    }

    launch_template {
      launch_template_specification {
        launch_template_id = aws_launch_template.worker.id
        version            = aws_launch_template.worker.latest_version
      }

      dynamic "override" {
        for_each = var.instance_types

        content {
          instance_type = override.value
        }
      }
    }
  }

  # The provider's default tags are not for groups.
  tag {
    key                 = "project"
    value               = var.name
    propagate_at_launch = false
  }

  # First the queue and the right to it, then who works on it.
  depends_on = [
    terraform_data.queue,
    aws_iam_role_policy.worker,
    aws_vpc_security_group_egress_rule.https,
  ]
}
